{{ stage_crm('milestones') }}
