{{ stage_crm('consents') }}
