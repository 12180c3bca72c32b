{{ validated('usage_daily') }}
