{{ stage_crm('fx_rates') }}
