{{ conformed('alert_feedback') }}
