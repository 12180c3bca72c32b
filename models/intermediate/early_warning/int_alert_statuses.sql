with

signals as (
    select * from {{ ref('signals') }}
    where raises_alert
),

playbook as (
    select * from {{ ref('playbook') }}
),

episodes as (
    select * from {{ ref('int_signal_episodes') }}
    where fired_to > {{ add_days(as_of_date(), -var('alert_history_days')) }}
),

verdicts as (
    select * from {{ ref('int_alert_verdicts') }}
),

alerts as (
    select
        episodes.episode_id as alert_id,
        episodes.account_id,
        episodes.signal,
        episodes.relationship,
        episodes.fired_from as opened_on,
        episodes.fired_to as ended_on,
        episodes.end_cause,
        episodes.fired_to > {{ as_of_date() }} as is_running,
        {{ add_days('episodes.fired_from', 'playbook.due_in_days') }} as due_on,
        {{ add_days('episodes.fired_from', 'playbook.due_in_days + ' ~ var('alert_expiry_days')) }} as expires_on
    from episodes
    inner join signals on episodes.signal = signals.signal  -- exactly one
    inner join playbook on signals.action = playbook.action  -- exactly one
),

last_verdicts as (
    select
        alert_id,
        account_id,
        signal,
        opened_on,
        verdict,
        given_at
    from verdicts
    where is_last
),

-- the newest word that this warning means nothing for this account, said of this alert or of an earlier one
rejections as (
    select
        alerts.alert_id,
        max(last_verdicts.given_at) as rejected_at
    from alerts
    inner join last_verdicts
        on
            alerts.account_id = last_verdicts.account_id
            and alerts.signal = last_verdicts.signal
            and alerts.opened_on >= last_verdicts.opened_on
    where last_verdicts.verdict = 'not_relevant'
    group by alerts.alert_id
),

-- the same of this alert alone, taken back since or not
own_rejections as (
    select
        alert_id,
        max(given_at) as rejected_at
    from verdicts
    where verdict = 'not_relevant'
    group by alert_id
),

-- the first word that someone has taken it on, after any rejection
acceptances as (
    select
        verdicts.alert_id,
        min(verdicts.given_on) as accepted_on
    from verdicts
    left join rejections on verdicts.alert_id = rejections.alert_id  -- at most one
    left join own_rejections on verdicts.alert_id = own_rejections.alert_id  -- at most one
    where
        verdicts.verdict in ('acknowledged', 'acted')
        and (rejections.rejected_at is null or verdicts.given_at >= rejections.rejected_at)
        and (own_rejections.rejected_at is null or verdicts.given_at > own_rejections.rejected_at)
    group by verdicts.alert_id
),

-- a verdict of a day is seen from the next day on, and mutes for so many days
joined as (
    select
        alerts.*,
        last_verdicts.verdict as last_verdict,
        last_verdicts.given_at as last_verdict_at,
        {{ add_days('acceptances.accepted_on', 1) }} as accepted_from,
        {{ add_days(local_day('rejections.rejected_at'), 1) }} as muted_from,
        {{ add_days(local_day('rejections.rejected_at'), 1 + var('alert_mute_days')) }} as muted_to
    from alerts
    left join last_verdicts on alerts.alert_id = last_verdicts.alert_id  -- at most one
    left join rejections on alerts.alert_id = rejections.alert_id  -- at most one
    left join acceptances on alerts.alert_id = acceptances.alert_id  -- at most one
),

-- the transition table of docs/alerts.md: the first that holds
judged as (
    select
        *,
        case
            when not is_running and end_cause = 'cleared' then 'resolved'
            when not is_running then 'expired'
            when last_verdict is null and expires_on <= {{ as_of_date() }} then 'expired'
            when accepted_from is not null then 'acknowledged'
            when muted_to > {{ as_of_date() }} then 'muted'
            else 'open'
        end as status
    from joined
),

dated as (
    select
        *,
        case
            when not is_running then ended_on
            when status = 'expired' then expires_on
            when status = 'acknowledged' then accepted_from
            when status = 'muted' then greatest(opened_on, muted_from)
            else greatest(opened_on, coalesce(muted_to, opened_on))
        end as status_since
    from judged
),

final as (
    select
        alert_id,
        account_id,
        signal,
        relationship,
        status,
        is_running,
        last_verdict,
        opened_on,
        due_on,
        case when status in ('resolved', 'expired') then status_since end as closed_on,
        status_since,
        last_verdict_at
    from dated
)

select * from final
