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
),

customers as (
    select * from {{ ref('int_health_states') }}
    where is_as_of
),

segments as (
    select * from {{ ref('int_account_segments') }}
    where segment_on = {{ as_of_date() }}
),

joined as (
    select
        statuses.*,
        coalesce(nullif(segments.account_manager, 'unknown'), 'unassigned') as owner,
        customers.mrr,
        customers.revenue_at_risk,
        coalesce(today.severity, at_opening.severity, signals.severity) as severity,
        coalesce(today.explanation, at_opening.explanation, signals.label) as why,
        playbook.title as recommended_action,
        playbook.instruction
    from statuses
    inner join signals on statuses.signal = signals.signal  -- exactly one
    inner join playbook on signals.action = playbook.action  -- exactly one
    left join explanations as today  -- at most one
        on statuses.alert_id = today.episode_id and today.grid_date = {{ as_of_date() }}
    left join explanations as at_opening  -- at most one
        on statuses.alert_id = at_opening.episode_id and statuses.opened_on = at_opening.grid_date
    left join customers on statuses.account_id = customers.account_id  -- at most one
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
