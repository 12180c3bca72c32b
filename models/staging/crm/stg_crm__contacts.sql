{{ stage_crm('contacts') }}
