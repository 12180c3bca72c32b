{{ conformed('offers') }}
