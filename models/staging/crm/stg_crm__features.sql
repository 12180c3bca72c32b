{{ stage_crm('features') }}
