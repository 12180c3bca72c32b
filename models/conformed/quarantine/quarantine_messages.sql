{{ quarantine('messages') }}
