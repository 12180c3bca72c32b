{{ stage_crm('offers') }}
