{{ conformed('features') }}
