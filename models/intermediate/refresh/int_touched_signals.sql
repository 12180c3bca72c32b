{{ config(materialized='table', post_hook="{{ keep_touched('signals') }}") }}

{{ touched_accounts(
    step='signals',
    earlier=ref('int_touched_accounts'),
    relations=[
        ref('int_signals_contract'),
        ref('int_signals_onboarding'),
        ref('int_signals_people'),
        ref('int_signals_satisfaction')
    ],
    globals=[ref('int_usage_starts'), ref('int_activity_starts')]
) }}
