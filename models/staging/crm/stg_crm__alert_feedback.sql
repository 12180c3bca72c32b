{{ stage_crm('alert_feedback') }}
