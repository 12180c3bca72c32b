{{ by_account('int_touched_signals') }}

with

feature_days as (
    select * from {{ touched_rows(ref('int_usage_feature_days')) }}
),

usage_starts as (
    select * from {{ ref('int_usage_starts') }}
),

stretches as (
    select * from {{ touched_rows(ref('int_customer_stretches')) }}
),

accounts as (
    select * from {{ ref('accounts') }}
),

tracked as (
    select
        'paid_unused' as signal,
        business_model,
        use_from as tracked_from
    from usage_starts
    union all
    select
        'core_unused' as signal,
        business_model,
        core_use_from as tracked_from
    from usage_starts
    where core_use_from is not null
),

-- a customer who has never used anything is silent from his first day on, as far back as use was recorded of anybody
customers as (
    select
        tracked.signal,
        stretches.account_id,
        stretches.from_date as customer_from,
        case when stretches.relationship = 'contract' then stretches.from_date end as contract_from,
        greatest(stretches.from_date, tracked.tracked_from) as valid_from
    from stretches
    inner join accounts on stretches.account_id = accounts.account_id  -- exactly one
    inner join tracked on coalesce(accounts.business_model, 'unknown') = tracked.business_model  -- one per signal
    where stretches.to_date > tracked.tracked_from
),

paid_customers as (
    select * from customers
    where signal = 'paid_unused'
),

core_customers as (
    select * from customers
    where signal = 'core_unused'
),

paid_uses as (
    select
        account_id,
        used_on,
        known_from as from_date,
        known_to as to_date
    from feature_days
    where quantity > 0
),

core_uses as (
    select
        account_id,
        used_on,
        known_from as from_date,
        known_to as to_date
    from feature_days
    where is_core and quantity > 0
),

{{
    last_known_day_steps(
        'last_uses', 'paid_uses', ['account_id'], 'used_on', 'paid_customers', ['customer_from', 'contract_from']
    )
}},

{{
    last_known_day_steps(
        'last_core_uses', 'core_uses', ['account_id'], 'used_on', 'core_customers', ['customer_from', 'contract_from']
    )
}},

followed as (
    select
        'paid_unused' as signal,
        *
    from last_uses
    union all
    select
        'core_unused' as signal,
        *
    from last_core_uses
),

-- The silence of a customer begins with his last use as a customer, or with the day before he became one. On the day on
-- which a stretch begins nothing in it can have been used yet.
compared as (
    select
        signal,
        account_id,
        valid_from,
        signal <> 'paid_unused' or coalesce(contract_from = customer_from, false) as has_data,
        case when last_day >= customer_from then last_day end as used_on,
        case when last_day >= customer_from then last_day else {{ add_days('customer_from', -1) }} end as silent_since,
        case
            when last_day_before >= customer_from_before then last_day_before
            else {{ add_days('customer_from_before', -1) }}
        end as silent_since_before,
        customer_from_before is not null
        and (signal <> 'paid_unused' or coalesce(contract_from_before = customer_from_before, false)) as had_data
    from followed
    where customer_from is not null
),

turns as (
    select
        signal,
        account_id,
        valid_from,
        has_data,
        used_on,
        case when has_data then {{ days_between('silent_since', 'valid_from') }} - 1 end as silent_days
    from compared
    where
        has_data <> had_data
        or (has_data and silent_since is distinct from silent_since_before)
),

sequenced as (
    select
        *,
        lag(valid_from, 1) over (partition by signal, account_id order by valid_from) as valid_from_1,
        lag(silent_days, 1) over (partition by signal, account_id order by valid_from) as silent_days_1,
        lag(valid_from, 2) over (partition by signal, account_id order by valid_from) as valid_from_2,
        lag(silent_days, 2) over (partition by signal, account_id order by valid_from) as silent_days_2,
        lead(valid_from) over (partition by signal, account_id order by valid_from) as next_valid_from
    from turns
),

-- Who uses it day after day is silent for 0 days all along: one piece says so from the second such day on.
-- What a day says follows from the days before it alone.
marked as (
    select
        *,
        coalesce(
            silent_days = 0 and silent_days_1 = 0 and valid_from = {{ add_days('valid_from_1', 1) }}, false
        ) as is_daily,
        coalesce(
            silent_days_1 = 0 and silent_days_2 = 0 and valid_from_1 = {{ add_days('valid_from_2', 1) }}, false
        ) as was_daily
    from sequenced
),

pieces as (
    select
        signal,
        account_id,
        valid_from,
        has_data,
        used_on,
        silent_days,
        case when has_data and not is_daily then 1 else 0 end as value_per_day
    from marked
    where not (is_daily and was_daily)
    union all
    -- the first day after such a time
    select
        signal,
        account_id,
        {{ add_days('valid_from', 1) }} as valid_from,
        has_data,
        used_on,
        1 as silent_days,
        1 as value_per_day
    from marked
    where is_daily and (next_valid_from is null or next_valid_from > {{ add_days('valid_from', 1) }})
),

final as (
    select
        account_id,
        signal,
        valid_from,
        cast(silent_days as double) as value,
        value_per_day,
        cast(null as double) as baseline,
        has_data,
        case when has_data and used_on is not null then {{ usage_evidence('used_on', 'used_on') }} end as evidence
    from pieces
)

select * from final
