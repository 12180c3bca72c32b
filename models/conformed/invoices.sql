{{ conformed('invoices') }}
