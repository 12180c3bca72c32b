{{ quarantine('features') }}
