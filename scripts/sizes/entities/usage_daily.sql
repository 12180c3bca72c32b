/*
  usage_daily: totals of the day before, written in the night. On one day no account, contact and feature comes twice: the
  place of a row is spread over all of them by a prime, which meets each at most once. A late total can meet one that is
  there already, and corrects it. With a skewed share the first account has that share of all rows.
*/
with spread as (
    select
        *,
        (place * 2147483647 + cast(hash(recorded_day, class) % (40 * members) as bigint)) % (40 * members) as slot
    from placed(
        'usage_daily',
        ['duplicate', 'negative', 'unknown_account', 'conflicting_duplicate', 'missing_key', 'event_after_recorded']
    )
),

usual as (
    select
        recorded_day,
        days_late,
        flaw,
        number,
        40 * (first_member + slot // 40) + class as account,
        slot % 40 // 10 as contact,
        slot % 10 as feature
    from spread
),

skewed as (
    select
        recorded_day,
        0 as days_late,
        cast(null as varchar) as flaw,
        unnest(range(cast(getvariable('usage') * getvariable('skewed_share') as bigint) // getvariable('days'))) as number,
        0 as account,
        4 + number // 10 as contact,
        number % 10 as feature
    from range(greatest(getvariable('from_day'), 1), getvariable('to_day')) as days (recorded_day)
    where getvariable('skewed_share') > 0
),

rows_of_all as (
    select * from usual
    union all
    select * from skewed
),

dated as (
    select
        *,
        day_of(greatest(recorded_day - 1 - days_late, won_day(account))) as used_on,
        -- most who leave use less in their last two months
        case
            when number_of(end_of_life(account)) - recorded_day < 60 and draw('fades', account) < 0.7 then 1
            else 1 + cast(floor(12 * draw('quantity', number, recorded_day)) as integer)
        end as quantity
    from rows_of_all
)

select
    case when flaw = 'unknown_account' then 'X' || account else account_id(account) end as account_id,
    -- one in four is a total of the account
    case when contact <> 3 then contact_id(account, contact) end as contact_id,
    case when flaw = 'event_after_recorded' then day_of(recorded_day + 9) else used_on end as used_on,
    case
        when flaw = 'missing_key' then null
        else [
            'login', 'report', 'board', 'search', 'export', 'api', 'mobile', 'share', 'audit', 'import'
        ][1 + cast(feature as integer)]
    end as feature,
    case when feature = 0 then 'login' end as event_name,
    cast(case flaw when 'negative' then -1 when 'conflicting_duplicate' then quantity + 1 else quantity end as decimal(18, 4))
        as quantity,
    cast(day_of(recorded_day) as timestamp) + interval 3 hours as recorded_at,
    flaw as planted
from dated
