-- fx_rates: every day's rate into euro, known on the day before
select
    rates.currency,
    'EUR' as quote_currency,
    day_of(days.day) as rate_on,
    cast(rates.rate * (1 + 0.05 * sin(days.day / 90e0) + 0.01 * draw(rates.currency, days.day)) as decimal(18, 8)) as rate,
    cast(day_of(days.day - 1) as timestamp) + interval 12 hours as recorded_at,
    cast(null as varchar) as planted
from (values ('USD', 0.92), ('GBP', 1.17), ('CHF', 1.04)) as rates (currency, rate)
cross join range(getvariable('from_day') + 1, getvariable('to_day') + 1) as days (day)
