{{ stage_crm('invoices') }}
