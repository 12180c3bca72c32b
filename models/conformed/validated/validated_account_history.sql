{{ validated('account_history') }}
