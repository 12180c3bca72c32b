{{ validated('contact_roles') }}
