{{ validated('account_managers') }}
