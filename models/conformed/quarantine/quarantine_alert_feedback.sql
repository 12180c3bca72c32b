{{ quarantine('alert_feedback') }}
