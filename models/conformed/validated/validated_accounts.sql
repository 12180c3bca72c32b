{{ validated('accounts') }}
