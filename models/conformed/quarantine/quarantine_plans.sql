{{ quarantine('plans') }}
