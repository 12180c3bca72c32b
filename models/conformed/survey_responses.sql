{{ conformed('survey_responses') }}
