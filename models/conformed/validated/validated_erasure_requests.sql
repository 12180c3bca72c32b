{{ validated('erasure_requests') }}
