{{ conformed('subscriptions') }}
