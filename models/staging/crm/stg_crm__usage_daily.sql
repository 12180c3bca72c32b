{{ stage_crm('usage_daily') }}
