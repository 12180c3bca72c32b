with

usage_days as (
    select * from {{ ref('int_usage_days') }}
),

accounts as (
    select * from {{ ref('accounts') }}
),

by_account as (
    select
        account_id,
        min(known_from) as use_from,
        min(case when is_core then known_from end) as core_use_from,
        min(case when contact_id is not null then known_from end) as contact_use_from
    from usage_days
    group by account_id
),

final as (
    select
        coalesce(accounts.business_model, 'unknown') as business_model,
        min(by_account.use_from) as use_from,
        min(by_account.core_use_from) as core_use_from,
        min(by_account.contact_use_from) as contact_use_from
    from by_account
    inner join accounts on by_account.account_id = accounts.account_id  -- exactly one
    group by coalesce(accounts.business_model, 'unknown')
)

select * from final
