{{ conformed('milestones') }}
