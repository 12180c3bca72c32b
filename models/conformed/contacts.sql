{{ conformed('contacts') }}
