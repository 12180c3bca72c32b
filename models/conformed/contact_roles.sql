{{ conformed('contact_roles') }}
