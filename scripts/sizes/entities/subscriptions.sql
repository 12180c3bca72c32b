/*
  subscriptions: the versions of each contract account's subscriptions. Version 0 begins with the account (after a trial
  for some consumers), 1 and 2 change the quantity or the plan, 3 is a second product, 4 a return after leaving, 5 and 6
  a pause and its end. An end is delivered with the version once it has happened: as a later row of the same version where
  that was delivered before.
*/
with customers as (
    select
        a,
        day_of(won_day(a)) as won_on,
        end_of_life(a) as ends_on,
        draw('has trial', a) < 0.3 and a % 5 = 2 as has_trial
    from range(0, first_account_of(getvariable('to_day') + 1)) as numbers (a)
    where a % 5 < 3
),

planned as (
    select
        *,
        cast(case version
            when -1 then won_on
            when 0 then case when has_trial then won_on + 14 else won_on end
            when 1 then won_on + to_months(3 + cast(floor(9 * draw('first change', a)) as integer))
            when 2 then won_on + to_months(14 + cast(floor(10 * draw('second change', a)) as integer))
            when 3 then won_on + to_months(2 + cast(floor(6 * draw('second product', a)) as integer))
            when 4 then ends_on + to_months(2 + cast(floor(7 * draw('return', a)) as integer))
            when 5 then won_on + to_months(6)
            when 6 then won_on + to_months(8)
        end as date) as valid_from
    from customers, range(-1, 7) as versions (version)
    where case version
        when -1 then has_trial
        when 0 then true
        when 1 then draw('changes', a) < 0.6
        when 2 then draw('changes again', a) < 0.25
        when 3 then draw('buys more', a) < 0.15
        when 4 then draw('returns', a) < 0.15
        else draw('pauses', a) < 0.03
    end
),

-- two changes of one day are one
begun as (
    select
        *,
        case when version = 3 then 2 when version = 4 then 3 else 1 end as line,
        case when version = 4 then null else ends_on end as valid_to
    from planned
    where valid_from < ends_on or ends_on is null or version = 4
),

versions as (
    select
        *,
        flaw_of(8 * a + version + 1, ['duplicate', 'unknown_account', 'unknown_currency', 'negative', 'missing_value']) as flaw
    from begun
    qualify row_number() over (partition by a, line, valid_from order by version desc) = 1
),

deliveries as (
    select
        *,
        cast(valid_from - 1 as timestamp) + interval 12 hours as recorded_at
    from versions
    union all
    select
        *,
        cast(valid_to as timestamp) + interval 3 hours as recorded_at
    from versions
    where number_of(valid_from) - 1 < getvariable('from_day') and number_of(valid_to) >= getvariable('from_day')
)

select
    'S' || lpad(cast(a as varchar), 8, '0') || '-' || line as subscription_id,
    valid_from,
    case when flaw = 'unknown_account' then 'X' || a else account_id(a) end as account_id,
    case when line = 2 then 'analytics' else 'suite' end as product,
    case when version = 2 and a % 5 < 2 then 'business' else plan_of(a) end as plan,
    cast(case
        when a % 5 = 2 then 1
        when version = 1 and draw('shrinks', a) < 0.3 then 1 + floor(5 * draw('quantity', a) * 0.6)
        when version in (1, 2, 5, 6) then 1 + floor(9 * draw('quantity', a))
        else 1 + floor(5 * draw('quantity', a))
    end as decimal(18, 4)) as quantity,
    case when flaw = 'missing_value' then null else money(
        case when flaw = 'negative' then -1 else 1 end
        * list_price(case when version = 2 and a % 5 < 2 then 'business' else plan_of(a) end)
        * interval_of(a) * (1 - 0.2 * floor(3 * draw('discount', a)) / 2)
    ) end as amount,
    money(list_price(case when version = 2 and a % 5 < 2 then 'business' else plan_of(a) end) * interval_of(a)) as list_amount,
    case when flaw = 'unknown_currency' then 'ZZZ' when version = 4 and draw('euro now', a) < 0.1 then 'EUR' else currency_of(a) end
        as currency,
    interval_of(a) as billing_interval_months,
    so_far(valid_to, getvariable('to_day')) as valid_to,
    case when a % 5 = 2 then 1 when draw('term', a) < 0.3 then 1 when draw('term', a) < 0.8 then 12 else 24 end
        as contract_term_months,
    draw('auto renews', a) < 0.9 as auto_renews,
    version = -1 as is_trial,
    version = 5 as is_paused,
    so_far(case when draw('notice', a) < 0.6 then cast(valid_to - 40 as date) end, getvariable('to_day')) as notice_given_on,
    recorded_at,
    flaw as planted
from (
    select
        *,
        unnest(range(case when flaw = 'duplicate' then 2 else 1 end)) as copy
    from deliveries
)
where
    recorded_at >= cast(day_of(getvariable('from_day')) as timestamp)
    and recorded_at < cast(day_of(getvariable('to_day')) as timestamp)
