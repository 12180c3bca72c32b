with

states as (
    select * from {{ ref('int_signal_states') }}
    where is_fired
),

episodes as (
    select * from {{ ref('int_signal_episodes') }}
    where fired_to > {{ add_days(as_of_date(), '-' ~ var('alert_history_days')) }}
),

pieces as (
    select * from {{ ref('int_signal_pieces') }}
),

signals as (
    select * from {{ ref('signals') }}
),

playbook as (
    select * from {{ ref('playbook') }}
),

-- what there was to see on the day an alert was opened
opened as (
    select
        episodes.fired_from as grid_date,
        episodes.account_id,
        episodes.signal,
        pieces.has_data,
        {{ value_on('pieces', 'episodes.fired_from') }} as value,
        pieces.baseline,
        episodes.fired_from as fired_since,
        episodes.episode_id,
        pieces.evidence
    from episodes
    left join pieces  -- at most one
        on
            episodes.account_id = pieces.account_id
            and episodes.signal = pieces.signal
            and episodes.fired_from >= pieces.piece_from
            and episodes.fired_from < pieces.piece_to
    left join states  -- at most one
        on
            episodes.account_id = states.account_id
            and episodes.signal = states.signal
            and episodes.fired_from = states.grid_date
    where states.account_id is null
),

fired as (
    select
        grid_date,
        account_id,
        signal,
        has_data,
        value,
        baseline,
        fired_since,
        episode_id,
        evidence
    from states
    union all
    select * from opened
),

final as (
    select
        fired.grid_date,
        fired.account_id,
        fired.signal,
        fired.episode_id,
        fired.fired_since,
        coalesce(fired.has_data, false) as has_data,
        fired.value,
        fired.baseline,
        fired.evidence,
        {{ signal_severity('signals', 'fired.value') }} as severity,
        {{ signal_sentence('signals', 'fired.value', 'fired.baseline') }} as explanation,
        playbook.title as recommended_action,
        playbook.instruction,
        playbook.due_in_days
    from fired
    inner join signals on fired.signal = signals.signal  -- exactly one
    left join playbook on signals.action = playbook.action  -- at most one
)

select * from final
