{{ by_account() }}

with

usage_daily as {{ streamed_cte() }} (
    {{ known_rows('usage_daily') }}
),

usage_events as {{ streamed_cte() }} (
    {{ known_rows('usage_events') }}
),

features as (
    select * from {{ ref('features') }}
),

-- who has events beside day totals, or the totals of accounts that were merged into his
accounts_to_add_up as (
    select account_id from usage_events
    union
    select account_id
    from {{ touched_rows(ref('validated_usage_daily')) }}
    where source_account_id <> account_id
),

daily_rows as {{ streamed_cte() }} (
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
),

rows_to_add_up as (
    select daily_rows.*
    from daily_rows
    inner join accounts_to_add_up on daily_rows.account_id = accounts_to_add_up.account_id  -- exactly one
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

-- everything that follows starts from totals
totals as (
    -- the day totals of any other account are totals as they come: of a key, only one is believed at a time
    select
        daily_rows.account_id,
        daily_rows.used_on,
        daily_rows.feature,
        daily_rows.contact_id,
        daily_rows.is_login,
        daily_rows.known_from,
        daily_rows.known_to,
        cast(daily_rows.quantity as decimal(38, 4)) as quantity
    from daily_rows
    left join accounts_to_add_up on daily_rows.account_id = accounts_to_add_up.account_id
    -- what was corrected before any day could see it was never believed
    where accounts_to_add_up.account_id is null and daily_rows.known_from < daily_rows.known_to
    union all
    select
        account_id,
        used_on,
        feature,
        contact_id,
        is_login,
        known_from,
        known_to,
        cast(sum(quantity) as decimal(38, 4)) as quantity
    from rows_to_add_up
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
