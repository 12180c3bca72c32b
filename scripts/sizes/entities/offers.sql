-- offers: one customer in five gets one, delivered when it is decided
with made as (
    select
        a,
        won_day(a) + 120 + cast(floor(300 * draw('offered', a)) as integer) as offered_day
    from range(0, first_account_of(getvariable('to_day') + 1)) as numbers (a)
    where a % 5 < 3 and draw('has offer', a) < 0.2
)

select
    'F' || lpad(cast(a as varchar), 8, '0') as offer_id,
    account_id(a) as account_id,
    ['upsell', 'cross_sell', 'win_back', 'right_size'][1 + cast(floor(4 * draw('offer', a)) as integer)] as kind,
    'business_review' as occasion,
    cast(day_of(offered_day) as timestamp) + interval 10 hours as offered_at,
    cast(day_of(offered_day + 7) as timestamp) + interval 10 hours as decided_at,
    draw('accepted', a) < 0.35 as is_accepted,
    money(list_price(plan_of(a))) as amount,
    cast(day_of(offered_day + 7) as timestamp) + interval 11 hours as recorded_at,
    cast(null as varchar) as planted
from made
where offered_day + 7 >= getvariable('from_day') and offered_day + 7 < getvariable('to_day')
