{{ stage_crm('loyalty_points') }}
