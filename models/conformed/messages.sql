{{ conformed('messages') }}
