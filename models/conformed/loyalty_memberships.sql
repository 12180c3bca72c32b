{{ conformed('loyalty_memberships') }}
