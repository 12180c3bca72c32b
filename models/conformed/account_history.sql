{{ conformed('account_history') }}
