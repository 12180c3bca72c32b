{{ quarantine('costs') }}
