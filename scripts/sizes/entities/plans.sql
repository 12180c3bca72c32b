-- plans: one price list from the beginning
select
    plan,
    day_of(-30) as valid_from,
    money(list_price(plan)) as list_amount,
    1 as billing_interval_months,
    'EUR' as currency,
    seats,
    tier_rank,
    cast(null as timestamp) as recorded_at,
    cast(null as varchar) as planted
from (values
    ('basic', 1, 1), ('plus', 2, 2), ('family', 5, 3),
    ('starter', 5, 1), ('team', 15, 2), ('business', 50, 3), ('enterprise', 200, 4)
) as plans (plan, seats, tier_rank)
where getvariable('from_day') <= 0
