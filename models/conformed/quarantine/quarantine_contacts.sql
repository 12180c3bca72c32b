{{ quarantine('contacts') }}
