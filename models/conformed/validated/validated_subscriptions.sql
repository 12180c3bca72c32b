{{ validated('subscriptions') }}
