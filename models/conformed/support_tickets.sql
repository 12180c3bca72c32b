{{ conformed('support_tickets') }}
