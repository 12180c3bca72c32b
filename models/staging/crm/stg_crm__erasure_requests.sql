{{ stage_crm('erasure_requests') }}
