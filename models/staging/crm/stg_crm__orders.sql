{{ stage_crm('orders') }}
