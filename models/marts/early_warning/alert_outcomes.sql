with

signals as (
    select * from {{ ref('signals') }}
    where raises_alert
),

episodes as (
    select * from {{ ref('int_signal_episodes') }}
),

verdicts as (
    select * from {{ ref('int_alert_verdicts') }}
),

spells as (
    select * from {{ ref('int_known_spells') }}
),

orders as (
    {{ known_rows('orders') }}
),

customers as (
    select * from {{ ref('int_customer_dates') }}
),

-- judged by what is known when the time is over, so that it does not change afterwards
alerts as (
    select
        episodes.episode_id as alert_id,
        episodes.account_id,
        episodes.signal,
        episodes.relationship,
        episodes.fired_from as opened_on,
        least({{ horizon_end('episodes.fired_from') }}, {{ as_of_date() }}) as judged_on,
        {{ horizon_end('episodes.fired_from') }} <= {{ as_of_date() }} as is_over
    from episodes
    inner join signals on episodes.signal = signals.signal  -- exactly one
),

ends as (
    select
        alerts.alert_id,
        alerts.account_id,
        alerts.judged_on,
        spells.spell_end,
        least({{ month_start_from('spells.spell_end') }}, alerts.judged_on) as checked_on
    from alerts
    inner join spells
        on
            alerts.account_id = spells.account_id
            and alerts.judged_on >= spells.known_from
            and alerts.judged_on < spells.known_to
            and alerts.opened_on < spells.spell_end
            and alerts.judged_on >= spells.spell_end
    where alerts.relationship = 'contract'
),

-- who is back by the next month start was never lost
losses as (
    select
        ends.alert_id,
        min(ends.spell_end) as churned_on
    from ends
    left join spells as later  -- at most one
        on
            ends.account_id = later.account_id
            and ends.judged_on >= later.known_from
            and ends.judged_on < later.known_to
            and ends.checked_on >= later.spell_start
            and ends.checked_on < later.spell_end
    where later.account_id is null
    group by ends.alert_id
),

purchases as (
    select alerts.alert_id
    from alerts
    inner join orders
        on
            alerts.account_id = orders.account_id
            and alerts.judged_on >= orders.known_from
            and alerts.judged_on < orders.known_to
            and alerts.opened_on <= {{ local_day('orders.ordered_at') }}
            and alerts.judged_on > {{ local_day('orders.ordered_at') }}
    where alerts.relationship = 'no_contract'
    group by alerts.alert_id
),

actions as (
    select
        alert_id,
        max(case verdict when 'acted' then 3 when 'acknowledged' then 2 else 1 end) as strength
    from verdicts
    group by alert_id
),

-- MRR of the start of the month the alert was opened in
opened as (
    select
        alerts.*,
        customers.mrr
    from alerts
    left join customers  -- at most one
        on
            alerts.account_id = customers.account_id
            and {{ period_start_of('month', 'alerts.opened_on') }} = customers.grid_date
),

final as (
    select
        opened.alert_id,
        opened.account_id,
        opened.signal,
        opened.relationship,
        case actions.strength
            when 3 then 'acted'
            when 2 then 'acknowledged'
            when 1 then 'not_relevant'
            else 'none'
        end as action_taken,
        case
            when losses.churned_on is not null then 'lost'
            when opened.relationship = 'no_contract' and purchases.alert_id is not null then 'saved'
            when not opened.is_over then 'still_open'
            when opened.relationship = 'no_contract' then 'lost'
            else 'saved'
        end as outcome,
        cast({{ days_between('opened.opened_on', 'losses.churned_on') }} as integer) as lead_days,
        opened.mrr,
        opened.opened_on,
        losses.churned_on
    from opened
    left join losses on opened.alert_id = losses.alert_id  -- at most one
    left join purchases on opened.alert_id = purchases.alert_id  -- at most one
    left join actions on opened.alert_id = actions.alert_id  -- at most one
)

select * from final
