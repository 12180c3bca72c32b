{{ validated('contacts') }}
