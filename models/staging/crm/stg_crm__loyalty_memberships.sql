{{ stage_crm('loyalty_memberships') }}
