-- support_tickets: delivered when opened, and once more when resolved in a later delivery
with opened as (
    select
        *,
        cast(day_of(greatest(recorded_day - days_late, won_day(account))) as timestamp)
        + to_seconds(cast(floor(86000 * draw('second', number)) as integer)) as opened_at
    from placed(
        'support_tickets', ['duplicate', 'unparsable', 'unknown_account', 'impossible_date_order', 'event_after_recorded'],
        back := 31
    )
),

handled as (
    select
        *,
        case when draw('answered', number) < 0.97 then opened_at + to_hours(cast(1 + floor(90 * draw('answer', number)) as integer)) end
            as answered_at,
        case when draw('answered', number) < 0.95 then opened_at + to_hours(cast(91 + floor(500 * draw('resolved', number)) as integer)) end
            as resolved_at,
        case
            when days_late = 0 then opened_at + interval 5 minutes
            else cast(day_of(recorded_day) as timestamp) + interval 12 hours
        end as recorded_at
    from opened
),

deliveries as (
    select *
    from handled
    where recorded_day >= getvariable('from_day')
    union all
    select * replace (cast(cast(resolved_at as date) as timestamp) + interval 23 hours as recorded_at)
    from handled
    where
        flaw is null
        and recorded_day < getvariable('from_day')
        and resolved_at >= cast(day_of(getvariable('from_day')) as timestamp)
        and resolved_at < cast(day_of(getvariable('to_day')) as timestamp)
)

select
    'T' || lpad(cast(number as varchar), 9, '0') as ticket_id,
    case when flaw = 'unknown_account' then 'X' || account else account_id(account) end as account_id,
    contact_id(account, cast(floor(3 * draw('contact', number)) as integer)) as contact_id,
    case when flaw = 'event_after_recorded' then cast(day_of(recorded_day + 9) as timestamp) else opened_at end as opened_at,
    case
        when flaw = 'impossible_date_order' then opened_at - interval 3 days
        when flaw = 'event_after_recorded' then null
        else so_far(answered_at, getvariable('to_day'))
    end as first_response_at,
    case when flaw = 'event_after_recorded' then null else so_far(resolved_at, getvariable('to_day')) end as resolved_at,
    case when draw('priority', number) < 0.2 then 'high' else 'normal' end as priority,
    draw('complaint', number) < 0.12 as is_complaint,
    case when flaw = 'unparsable' then 'twice' when draw('reopened', number) < 0.1 then '1' else '0' end as reopened_count,
    recorded_at,
    flaw as planted
from deliveries
