{{ quarantine('account_history') }}
