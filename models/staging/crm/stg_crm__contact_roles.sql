{{ stage_crm('contact_roles') }}
