{{ stage_crm('accounts') }}
