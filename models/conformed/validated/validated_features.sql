{{ validated('features') }}
