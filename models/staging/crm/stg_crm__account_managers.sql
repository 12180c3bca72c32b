{{ stage_crm('account_managers') }}
