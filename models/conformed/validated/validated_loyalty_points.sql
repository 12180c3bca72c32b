{{ validated('loyalty_points') }}
