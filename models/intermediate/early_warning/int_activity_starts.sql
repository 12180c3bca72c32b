with

account_starts as (
    select * from {{ ref('int_account_starts') }}
),

accounts as (
    select * from {{ ref('accounts') }}
),

final as (
    select
        account_starts.kind,
        coalesce(accounts.business_model, 'unknown') as business_model,
        min(account_starts.starts_on) as starts_on
    from account_starts
    inner join accounts on account_starts.account_id = accounts.account_id  -- exactly one
    where account_starts.kind = 'signs'
    group by account_starts.kind, coalesce(accounts.business_model, 'unknown')
    union all
    select
        kind,
        'all' as business_model,
        min(starts_on) as starts_on
    from account_starts
    where kind <> 'signs'
    group by kind
)

select * from final
