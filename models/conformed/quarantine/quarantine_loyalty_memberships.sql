{{ quarantine('loyalty_memberships') }}
