{{ validated('cancellations') }}
