{{ quarantine('usage_events') }}
