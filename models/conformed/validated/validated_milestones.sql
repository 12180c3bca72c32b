{{ validated('milestones') }}
