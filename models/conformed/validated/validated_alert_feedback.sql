{{ validated('alert_feedback') }}
