{{ quarantine('cancellations') }}
