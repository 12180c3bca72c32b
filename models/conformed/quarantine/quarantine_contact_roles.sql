{{ quarantine('contact_roles') }}
