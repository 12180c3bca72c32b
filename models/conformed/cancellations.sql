{{ conformed('cancellations') }}
