{{ quarantine('usage_daily') }}
