{{ stage_crm('usage_events') }}
