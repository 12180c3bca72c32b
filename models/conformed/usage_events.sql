{{ conformed('usage_events') }}
