{{ stage_crm('survey_responses') }}
