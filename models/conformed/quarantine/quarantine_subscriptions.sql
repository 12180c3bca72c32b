{{ quarantine('subscriptions') }}
