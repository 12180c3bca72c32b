{{ conformed('costs') }}
