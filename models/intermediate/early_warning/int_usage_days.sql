{{ by_account() }}

with

usage_daily as (
    {{ known_rows('usage_daily') }}
),

usage_events as (
    {{ known_rows('usage_events') }}
),

features as (
    select * from {{ ref('features') }}
),

usage_rows as (
    select
        account_id,
        used_on,
        feature,
        contact_id,
        coalesce(event_name, feature) = 'login' as is_login,
        quantity,
        greatest(known_from, {{ add_days('used_on', 1) }}) as known_from,
        known_to
    from usage_daily
    union all
    select
        account_id,
        {{ local_day('occurred_at') }} as used_on,
        coalesce(feature, event_name) as feature,
        contact_id,
        event_name = 'login' as is_login,
        coalesce(quantity, 1) as quantity,  -- as the contract has it
        greatest(known_from, {{ known_from_day('occurred_at') }}) as known_from,
        known_to
    from usage_events
),

-- the only pass over all rows: everything that follows starts from totals
totals as (
    select
        account_id,
        used_on,
        feature,
        contact_id,
        is_login,
        known_from,
        known_to,
        cast(sum(quantity) as decimal(38, 4)) as quantity
    from usage_rows
    -- what was corrected before any day could see it was never believed
    where known_from < known_to
    group by account_id, used_on, feature, contact_id, is_login, known_from, known_to
),

final as (
    select
        totals.account_id,
        totals.used_on,
        totals.feature,
        totals.contact_id,
        totals.quantity,
        totals.is_login,
        coalesce(features.is_core, false) as is_core,
        totals.known_from,
        totals.known_to
    from totals
    left join features on totals.feature = features.feature  -- at most one
)

select * from final
