{{ conformed('erasure_requests') }}
