{{ validated('invoices') }}
