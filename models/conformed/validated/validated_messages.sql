{{ validated('messages') }}
