{{ validated('loyalty_memberships') }}
