{{ quarantine('milestones') }}
