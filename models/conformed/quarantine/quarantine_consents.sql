{{ quarantine('consents') }}
