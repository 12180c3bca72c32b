{{ quarantine('account_managers') }}
