{{ quarantine('support_tickets') }}
