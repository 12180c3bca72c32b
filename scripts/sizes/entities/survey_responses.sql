-- survey_responses: delivered when the survey is closed, two weeks after it was sent; scores as text
with sent as (
    select
        *,
        cast(day_of(greatest(recorded_day - 14 - days_late, won_day(account))) as timestamp)
        + to_seconds(cast(floor(80000 * draw('second', number)) as integer)) as sent_at,
        draw('survey', number) < 0.5 as is_nps,
        draw('answered', number) < 0.4 as is_answered
    from placed(
        'survey_responses', ['duplicate', 'unparsable', 'unknown_account', 'not_in_list', 'impossible_date_order']
    )
)

select
    'R' || lpad(cast(number as varchar), 9, '0') as response_id,
    case when flaw = 'unknown_account' then 'X' || account else account_id(account) end as account_id,
    contact_id(account, cast(floor(3 * draw('contact', number)) as integer)) as contact_id,
    case when flaw = 'not_in_list' then 'guess' when is_nps then 'nps' else 'csat' end as survey,
    sent_at,
    case
        when flaw = 'impossible_date_order' then sent_at - interval 3 days
        when is_answered then least(
            sent_at + to_hours(cast(1 + floor(300 * draw('answer', number)) as integer)),
            cast(day_of(recorded_day) as timestamp)
        )
    end as responded_at,
    case
        when flaw = 'unparsable' then 'fine'
        when is_answered and is_nps
            then cast(least(cast(floor(5 * draw('mood', account) + 7 * draw('score', number)) as integer), 10) as varchar)
        when is_answered then cast(1 + cast(floor(2 * draw('mood', account) + 3 * draw('score', number)) as integer) as varchar)
    end as score,
    ['product', 'service', 'price'][1 + cast(floor(3 * draw('topic', number)) as integer)] as topic,
    cast(day_of(recorded_day) as timestamp) + interval 6 hours as recorded_at,
    flaw as planted
from sent
