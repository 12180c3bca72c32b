{{ stage_crm('account_history') }}
