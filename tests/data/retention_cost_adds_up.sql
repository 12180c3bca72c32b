-- The categories of a period add up to the whole, and at every grain all of the cost is in.
with

categories as (
    select
        period_grain,
        period_start,
        sum(case when category = 'all' then -cost else cost end) as cost,
        sum(case when category = 'all' then -revenue_caused else revenue_caused end) as revenue_caused,
        sum(case when category = 'all' then cost end) as whole_cost,
        sum(case when category <> 'all' then net_cost end) as net_cost,
        count(distinct customers_active) as bases,
        count(distinct scope) as scopes
    from {{ ref('retention_cost') }}
    group by period_grain, period_start
),

grains as (
    select
        period_grain,
        sum(whole_cost) as cost,
        sum(net_cost) as net_cost
    from categories
    group by period_grain
),

spent as (
    select
        sum(case when cost > 0 then cost else 0 end) as cost,
        sum(cost) as net_cost
    from {{ ref('int_cost_months') }}
    where kind = 'retention'
)

select
    period_grain,
    period_start,
    cost,
    revenue_caused
from categories
where cost <> 0 or bases <> 1 or scopes > 1
union all
select
    grains.period_grain,
    cast(null as date) as period_start,
    grains.cost,
    spent.cost as revenue_caused
from grains
cross join spent
where grains.cost <> spent.cost or grains.net_cost <> spent.net_cost
