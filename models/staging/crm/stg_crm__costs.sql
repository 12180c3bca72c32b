{{ stage_crm('costs') }}
