{{ config(materialized='table', post_hook="{{ keep_touched('accounts') }}") }}

{{ touched_accounts(
    step='accounts',
    earlier=ref('int_touched_sources'),
    relations=[ref('int_customer_stretches'), ref('validated_milestones')],
    globals=[ref('features')]
) }}
