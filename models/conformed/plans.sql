{{ conformed('plans') }}
