{{ conformed('loyalty_points') }}
