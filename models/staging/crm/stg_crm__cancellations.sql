{{ stage_crm('cancellations') }}
