{{ validated('costs') }}
