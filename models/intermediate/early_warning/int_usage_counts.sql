{{ by_account() }}

with

feature_days as {{ streamed_cte() }} (
    select * from {{ touched_rows(ref('int_usage_feature_days')) }}
),

features as (
    select * from {{ ref('features') }}
),

stretches as (
    select * from {{ touched_rows(ref('int_customer_stretches')) }}
),

-- block_days: uses in a stretch of the calendar this long lie in overlapping windows, known up to as many days late
signals as (
    select
        signal,
        window_days,
        window_days + baseline_days as both_days,
        greatest(1, cast(floor(least(window_days, baseline_days) / 2) as integer)) as block_days,
        minimum_baseline
    from {{ ref('signals') }}
    where signal in ('login_decline', 'breadth_shrinks')
),

customers as (
    select distinct account_id from stretches
),

core as (
    select coalesce(max(case when is_core then 1 else 0 end), 0) = 1 as is_named from features
),

login_days as (
    select
        feature_days.account_id,
        feature_days.used_on,
        feature_days.known_from,
        feature_days.known_to,
        sum(feature_days.quantity) as quantity
    from feature_days
    inner join customers on feature_days.account_id = customers.account_id  -- exactly one
    where feature_days.is_login
    group by feature_days.account_id, feature_days.used_on, feature_days.known_from, feature_days.known_to
),

uses as {{ streamed_cte() }} (
    select
        feature_days.account_id,
        feature_days.feature,
        feature_days.is_core,
        feature_days.is_login,
        feature_days.used_on,
        feature_days.known_from,
        feature_days.known_to,
        cast(floor(
            {{ days_between("date '1970-01-01'", 'feature_days.used_on') }} / signals.block_days
        ) as integer) as block_number,
        (
            feature_days.known_from <= {{ add_days('feature_days.used_on', '1 + signals.block_days') }}
            and feature_days.known_to >= {{ add_days('feature_days.used_on', '1 + signals.both_days') }}
        ) as is_steady
    from feature_days
    inner join customers on feature_days.account_id = customers.account_id  -- exactly one
    inner join signals on signals.signal = 'breadth_shrinks'
    where feature_days.quantity > 0
),

-- Uses of a block are one use, from the first to the last: their windows leave no gap. Only what became known late, or
-- was taken back while it lay in a window, stands for itself.
use_blocks as (
    select
        account_id,
        feature,
        is_core,
        is_login,
        min(used_on) as first_used_on,
        max(used_on) as last_used_on,
        min(known_from) as known_from,
        max(known_to) as known_to
    from uses
    where is_steady
    group by account_id, feature, is_core, is_login, block_number
    union all
    select
        account_id,
        feature,
        is_core,
        is_login,
        used_on as first_used_on,
        used_on as last_used_on,
        known_from,
        known_to
    from uses
    where not is_steady
),

-- when a use lies in the window, and when in the one before
secondary_stays as (
    select
        use_blocks.account_id,
        use_blocks.feature,
        'window' as part,
        use_blocks.known_from as from_date,
        least(use_blocks.known_to, {{ add_days('use_blocks.last_used_on', '1 + signals.window_days') }}) as to_date
    from use_blocks
    inner join signals on signals.signal = 'breadth_shrinks'
    where not use_blocks.is_core and not use_blocks.is_login
    union all
    select
        use_blocks.account_id,
        use_blocks.feature,
        'before' as part,
        greatest(
            use_blocks.known_from, {{ add_days('use_blocks.first_used_on', '1 + signals.window_days') }}
        ) as from_date,
        least(use_blocks.known_to, {{ add_days('use_blocks.last_used_on', '1 + signals.both_days') }}) as to_date
    from use_blocks
    inner join signals on signals.signal = 'breadth_shrinks'
    where not use_blocks.is_core and not use_blocks.is_login
),

-- a feature counts once, however often it is used in a window
secondary_features as (
    {{ merged_intervals('secondary_stays', ['account_id', 'feature', 'part']) }}
),

-- without a feature named as core, any use shows that the product still runs
core_stays as (
    select
        use_blocks.account_id,
        use_blocks.known_from as from_date,
        least(use_blocks.known_to, {{ add_days('use_blocks.last_used_on', '1 + signals.window_days') }}) as to_date
    from use_blocks
    inner join signals on signals.signal = 'breadth_shrinks'
    cross join core
    where use_blocks.is_core or not core.is_named
),

core_runs as (
    {{ merged_intervals('core_stays', ['account_id']) }}
),

stays as (
    select
        'login_decline' as signal,
        login_days.account_id,
        login_days.known_from as from_date,
        least(login_days.known_to, {{ add_days('login_days.used_on', '1 + signals.window_days') }}) as to_date,
        login_days.quantity as amount_now,
        cast(0 as decimal(38, 4)) as amount_before,
        0 as core_runs,
        0 as long_customers
    from login_days
    inner join signals on signals.signal = 'login_decline'
    union all
    select
        'login_decline' as signal,
        login_days.account_id,
        greatest(login_days.known_from, {{ add_days('login_days.used_on', '1 + signals.window_days') }}) as from_date,
        least(login_days.known_to, {{ add_days('login_days.used_on', '1 + signals.both_days') }}) as to_date,
        cast(0 as decimal(38, 4)) as amount_now,
        login_days.quantity as amount_before,
        0 as core_runs,
        0 as long_customers
    from login_days
    inner join signals on signals.signal = 'login_decline'
    union all
    select
        'breadth_shrinks' as signal,
        account_id,
        from_date,
        to_date,
        cast(case when part = 'window' then 1 else 0 end as decimal(38, 4)) as amount_now,
        cast(case when part = 'before' then 1 else 0 end as decimal(38, 4)) as amount_before,
        0 as core_runs,
        0 as long_customers
    from secondary_features
    union all
    select
        'breadth_shrinks' as signal,
        account_id,
        from_date,
        to_date,
        cast(0 as decimal(38, 4)) as amount_now,
        cast(0 as decimal(38, 4)) as amount_before,
        1 as core_runs,
        0 as long_customers
    from core_runs
    union all
    -- who has been a customer for less than both windows has nothing to be compared with
    select
        signals.signal,
        stretches.account_id,
        {{ add_days('stretches.from_date', 'signals.both_days') }} as from_date,
        stretches.to_date,
        cast(0 as decimal(38, 4)) as amount_now,
        cast(0 as decimal(38, 4)) as amount_before,
        0 as core_runs,
        1 as long_customers
    from stretches
    cross join signals
),

totals as (
    {{ running_totals(
        'stays', ['signal', 'account_id'], ['amount_now', 'amount_before', 'core_runs', 'long_customers']
    ) }}
),

judged as (
    select
        totals.*,
        signals.window_days,
        totals.long_customers > 0
        and totals.amount_before > 0
        and totals.amount_before >= coalesce(signals.minimum_baseline, 0e0) as has_data,
        totals.signal = 'login_decline' or totals.core_runs > 0 as is_compared
    from totals
    inner join signals on totals.signal = signals.signal  -- exactly one
),

-- in whole ten-thousandths, so that a change of exactly 30 % is the number -0.3
measured as (
    select
        signal,
        account_id,
        valid_from,
        has_data,
        window_days,
        case when has_data then cast(amount_before as double) end as baseline,
        case
            when has_data and is_compared
                then
                    cast({{ whole_units('amount_now - amount_before') }} as double)
                    / cast({{ whole_units('amount_before') }} as double)
        end as value
    from judged
),

compared as (
    select
        *,
        lag(has_data) over (partition by signal, account_id order by valid_from) as has_data_before,
        lag(baseline) over (partition by signal, account_id order by valid_from) as baseline_before,
        lag(value) over (partition by signal, account_id order by valid_from) as value_before
    from measured
),

final as (
    select
        account_id,
        signal,
        valid_from,
        value,
        0 as value_per_day,
        baseline,
        has_data,
        case
            when has_data
                then {{ usage_evidence(add_days('valid_from', '-window_days'), add_days('valid_from', -1)) }}
        end as evidence
    from compared
    where
        has_data <> coalesce(has_data_before, false)
        or (has_data and (baseline is distinct from baseline_before or value is distinct from value_before))
)

select * from final
