{{ validated('offers') }}
