with

states as (
    select * from {{ ref('int_signal_states') }}
    where grid_date = {{ as_of_date() }}
),

customers as (
    select * from {{ ref('int_customer_dates') }}
    where is_as_of
),

signals as (
    select * from {{ ref('signals') }}
),

explanations as (
    select * from {{ ref('int_signal_explanations') }}
    where grid_date = {{ as_of_date() }}
),

final as (
    select
        states.account_id,
        states.signal,
        states.grid_date as as_of_date,
        signals.requirement,
        signals.label,
        states.is_fired,
        states.has_data,
        states.value,
        states.baseline,
        signals.threshold,
        signals.direction,
        signals.unit,
        explanations.severity,
        states.evidence,
        states.fired_since,
        states.episode_id,
        explanations.recommended_action,
        explanations.instruction,
        cast(case when states.is_fired then customers.mrr else customers.mrr * 0 end as decimal(38, 4)) as mrr_at_risk,
        explanations.explanation
    from states
    inner join customers on states.account_id = customers.account_id  -- exactly one
    inner join signals on states.signal = signals.signal  -- exactly one
    left join explanations  -- at most one
        on states.account_id = explanations.account_id and states.signal = explanations.signal
)

select * from final
