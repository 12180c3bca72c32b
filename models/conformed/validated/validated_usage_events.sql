{{ validated('usage_events') }}
