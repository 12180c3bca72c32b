{{ conformed('consents') }}
