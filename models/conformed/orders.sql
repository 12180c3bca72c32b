{{ conformed('orders') }}
