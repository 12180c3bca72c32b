{{ stage_crm('plans') }}
