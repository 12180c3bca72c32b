{{ validated('orders') }}
