{{ quarantine('survey_responses') }}
