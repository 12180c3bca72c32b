with

feedback as (
    {{ known_rows('alert_feedback') }}
),

episodes as (
    select * from {{ ref('int_signal_episodes') }}
),

known as (
    select
        alert_id,
        given_at,
        verdict,
        {{ local_day('given_at') }} as given_on
    from feedback
    where known_from <= {{ as_of_date() }} and known_to > {{ as_of_date() }}
),

-- feedback on an alert that is not known (any more, or under this id) stays, so that it can be counted
final as (
    select
        known.alert_id,
        known.given_at,
        known.given_on,
        known.verdict,
        episodes.episode_id is not null as is_matched,
        episodes.account_id,
        episodes.signal,
        episodes.fired_from as opened_on,
        row_number() over (partition by known.alert_id order by known.given_at desc) = 1 as is_last
    from known
    left join episodes on known.alert_id = episodes.episode_id  -- at most one
)

select * from final
