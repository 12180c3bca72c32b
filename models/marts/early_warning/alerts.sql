with

statuses as (
    select * from {{ ref('int_alert_statuses') }}
),

signals as (
    select * from {{ ref('signals') }}
),

playbook as (
    select * from {{ ref('playbook') }}
),

explanations as (
    select * from {{ ref('int_signal_explanations') }}
    where grid_date = {{ as_of_date() }}
),

customers as (
    select * from {{ ref('int_customer_dates') }}
    where is_as_of
),

scores as (
    select * from {{ ref('int_health_scores') }}
    where grid_date = {{ as_of_date() }}
),

segments as (
    select * from {{ ref('int_account_segments') }}
    where segment_on = {{ as_of_date() }}
),

-- who is known to leave is lost if nobody does anything
at_stake as (
    select
        customers.account_id,
        customers.mrr,
        case
            when customers.known_end_on <= {{ judged_on(as_of_date()) }} then 1e0
            else scores.churn_probability
        end as churn_probability
    from customers
    left join scores on customers.account_id = scores.account_id  -- at most one
),

joined as (
    select
        statuses.*,
        coalesce(nullif(segments.account_manager, 'unknown'), 'unassigned') as owner,
        at_stake.mrr,
        cast(at_stake.churn_probability * cast(at_stake.mrr as double) as decimal(38, 4)) as revenue_at_risk,
        coalesce(explanations.severity, signals.severity) as severity,
        coalesce(explanations.explanation, signals.label) as why,
        playbook.title as recommended_action,
        playbook.instruction
    from statuses
    inner join signals on statuses.signal = signals.signal  -- exactly one
    inner join playbook on signals.action = playbook.action  -- exactly one
    left join explanations  -- at most one
        on
            statuses.account_id = explanations.account_id
            and statuses.signal = explanations.signal
            and statuses.is_running
    left join at_stake on statuses.account_id = at_stake.account_id  -- at most one
    left join segments on statuses.account_id = segments.account_id  -- at most one
),

prioritised as (
    select
        *,
        case
            when status = 'open'
                then cast(row_number() over (
                    partition by status
                    order by revenue_at_risk desc nulls last, mrr desc nulls last, alert_id asc
                ) as integer)
        end as priority,
        row_number() over (
            partition by status, owner
            order by revenue_at_risk desc nulls last, mrr desc nulls last, alert_id asc
        ) as rank_of_owner
    from joined
),

final as (
    select
        alert_id,
        account_id,
        signal,
        {{ as_of_date() }} as as_of_date,
        status,
        severity,
        owner,
        priority,
        mrr,
        revenue_at_risk,
        why,
        recommended_action,
        instruction,
        status = 'open' and rank_of_owner <= {{ var('alert_focus_size') }} as is_in_focus,
        status = 'open' and due_on < {{ as_of_date() }} as is_overdue,
        last_verdict,
        opened_on,
        due_on,
        closed_on,
        status_since,
        last_verdict_at
    from prioritised
)

select * from final
