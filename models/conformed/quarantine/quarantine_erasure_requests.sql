{{ quarantine('erasure_requests') }}
