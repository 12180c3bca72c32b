{{ quarantine('accounts') }}
