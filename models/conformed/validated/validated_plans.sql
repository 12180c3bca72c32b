{{ validated('plans') }}
