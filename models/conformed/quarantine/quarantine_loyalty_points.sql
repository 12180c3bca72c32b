{{ quarantine('loyalty_points') }}
