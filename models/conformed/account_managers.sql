{{ conformed('account_managers') }}
