with

states as (
    select states.*
    from {{ ref('int_signal_states') }} as states
    where states.grid_date = {{ period_start_of('month', 'states.grid_date') }}
),

episodes as (
    select * from {{ ref('int_signal_episodes') }}
    where fired_to > {{ add_days(as_of_date(), '-' ~ var('alert_history_days')) }}
),

explanations as (
    select * from {{ ref('int_signal_explanations') }}
),

customers as (
    select * from {{ ref('int_customer_dates') }}
),

signals as (
    select * from {{ ref('signals') }}
),

months as (
    select
        account_id,
        signal,
        'month' as grid,
        grid_date as as_of_date,
        cast(null as date) as fired_to,
        is_fired,
        has_data,
        value,
        baseline,
        fired_since,
        episode_id
    from states
),

days as (
    select
        episodes.account_id,
        episodes.signal,
        'day' as grid,
        episodes.fired_from as as_of_date,
        case when episodes.end_cause <> 'running' then episodes.fired_to end as fired_to,
        true as is_fired,
        explanations.has_data,
        explanations.value,
        explanations.baseline,
        episodes.fired_from as fired_since,
        episodes.episode_id
    from episodes
    inner join explanations  -- exactly one
        on
            episodes.account_id = explanations.account_id
            and episodes.signal = explanations.signal
            and episodes.fired_from = explanations.grid_date
),

unioned as (
    select * from months
    union all
    select * from days
),

final as (
    select
        unioned.account_id,
        unioned.signal,
        unioned.grid,
        unioned.as_of_date,
        unioned.fired_to,
        unioned.is_fired,
        unioned.has_data,
        unioned.value,
        unioned.baseline,
        signals.threshold,
        signals.direction,
        explanations.severity,
        explanations.evidence,
        unioned.fired_since,
        unioned.episode_id,
        explanations.recommended_action,
        cast(case when unioned.is_fired then customers.mrr else customers.mrr * 0 end as decimal(38, 4)) as mrr_at_risk,
        explanations.explanation
    from unioned
    inner join signals on unioned.signal = signals.signal  -- exactly one
    left join explanations  -- at most one
        on
            unioned.account_id = explanations.account_id
            and unioned.signal = explanations.signal
            and unioned.as_of_date = explanations.grid_date
            and unioned.is_fired
    -- what an account pays is known by the month: what it paid at its start
    left join customers  -- at most one
        on
            unioned.account_id = customers.account_id
            and {{ period_start_of('month', 'unioned.as_of_date') }} = customers.grid_date
)

select * from final
