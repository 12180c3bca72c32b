-- The price list by month; half-yearly and yearly terms cost about 5 and 10 % less and are on the subscriptions.
select
    split_part(product, '_', 1) as plan,
    date '2022-01-01' as valid_from,
    max(mrr) as list_amount,
    1 as billing_interval_months,
    'USD' as currency,
    max(quantity) as seats,
    row_number() over (order by max(quantity)) as tier_rank
from read_parquet(getvariable('source') || '/subscription.parquet')
where units = 'users' and bill_period_months = 1
group by split_part(product, '_', 1)
order by tier_rank
