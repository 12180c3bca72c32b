-- messages: e-mails above all; the export has what became of them within two days
with sent as (
    select
        *,
        cast(day_of(greatest(recorded_day - 2 - days_late, won_day(account))) as timestamp)
        + to_seconds(cast(floor(80000 * draw('second', number)) as integer)) as sent_at,
        draw('opened', number) < 0.5 * draw('reads', account) + 0.1 as is_opened
    from placed(
        'messages', ['duplicate', 'unparsable', 'unknown_account', 'not_in_list', 'impossible_date_order']
    )
)

select
    'M' || lpad(cast(number as varchar), 9, '0') as message_id,
    case when flaw = 'unknown_account' then 'X' || account else account_id(account) end as account_id,
    contact_id(account, cast(floor(3 * draw('contact', number)) as integer)) as contact_id,
    case
        when flaw = 'not_in_list' then 'pigeon'
        when draw('channel', number) < 0.8 then 'email'
        when draw('channel', number) < 0.9 then 'call'
        else 'event'
    end as channel,
    ['newsletter', 'newsletter', 'newsletter', 'trigger', 'upsell', 'service'][
        1 + cast(floor(6 * draw('purpose', number)) as integer)
    ] as purpose,
    draw('personalised', number) < 0.3 as is_personalised,
    sent_at,
    case
        when flaw = 'impossible_date_order' then sent_at - interval 3 days
        when is_opened then sent_at + to_minutes(cast(1 + floor(900 * draw('opened after', number)) as integer))
    end as opened_at,
    case when is_opened and draw('clicked', number) < 0.2 then sent_at + interval 20 hours end as clicked_at,
    case when is_opened and draw('converted', number) < 0.02 then sent_at + interval 1 day end as converted_at,
    case when is_opened and draw('unsubscribed', number) < 0.004 then sent_at + interval 21 hours end as unsubscribed_at,
    case when flaw = 'unparsable' then 'ten' when draw('discount', number) < 0.1 then '10' end as discount_percent,
    cast(day_of(recorded_day) as timestamp) + interval 6 hours as recorded_at,
    flaw as planted
from sent
