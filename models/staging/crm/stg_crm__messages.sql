{{ stage_crm('messages') }}
