{{ stage_crm('support_tickets') }}
