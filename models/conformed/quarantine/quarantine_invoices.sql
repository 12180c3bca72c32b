{{ quarantine('invoices') }}
