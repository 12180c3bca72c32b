{{ quarantine('offers') }}
