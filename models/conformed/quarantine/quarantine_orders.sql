{{ quarantine('orders') }}
