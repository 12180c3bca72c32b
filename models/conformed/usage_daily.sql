{{ conformed('usage_daily') }}
