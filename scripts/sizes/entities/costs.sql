-- costs: each month's acquisition by channel, service and retention, in proportion to the accounts
with months as (
    select
        k,
        cast(date '2023-07-01' + to_months(cast(k as integer)) as date) as month_start
    from range(0, 60) as months (k)
),

kinds as (
    select * from (values
        ('acquisition', 'advertising', 'inbound', 2), ('acquisition', 'sales', 'outbound', 4),
        ('acquisition', 'sales', 'partner', 2), ('acquisition', 'advertising', 'referral', 1),
        ('service', 'team', null, 3), ('retention', 'team', null, 1), ('retention', 'rewards', null, 1)
    ) as kinds (kind, category, channel, weight)
)

select
    'Z' || lpad(cast(row_number() over (order by months.k, kinds.kind, kinds.category, kinds.channel) as varchar), 4, '0')
    || '-' || months.k as cost_id,
    months.month_start as period_start,
    cast(months.month_start + to_months(1) as date) as period_end,
    kinds.kind,
    kinds.category,
    kinds.channel,
    cast(null as varchar) as account_id,
    money(getvariable('accounts') * kinds.weight * (0.3 + 0.02 * months.k)) as amount,
    'EUR' as currency,
    cast(months.month_start - 1 as timestamp) + interval 12 hours as recorded_at,
    cast(null as varchar) as planted
from months
cross join kinds
where number_of(months.month_start) - 1 >= getvariable('from_day') and number_of(months.month_start) - 1 < getvariable('to_day')
