{{ stage_crm('subscriptions') }}
