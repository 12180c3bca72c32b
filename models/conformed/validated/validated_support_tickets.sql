{{ validated('support_tickets') }}
