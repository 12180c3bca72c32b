-- Every part of an account's value is in its months once: nothing of revenue and costs is lost or counted twice.
with

value_months as (
    select
        sum(revenue) as revenue,
        sum(discounts) as discounts,
        sum(refunds) as refunds,
        sum(cost_to_serve) as cost_to_serve,
        sum(retention_cost) as retention_cost
    from {{ ref('int_account_value_months') }}
),

revenue_months as (
    select
        sum(revenue) as revenue,
        sum(discounts) as discounts,
        sum(refunds) as refunds
    from {{ ref('int_revenue_months') }}
),

account_costs as (
    select
        sum(cost_to_serve) as cost_to_serve,
        sum(retention_cost) as retention_cost
    from {{ ref('int_account_costs') }}
)

select
    value_months.*,
    revenue_months.revenue as expected_revenue,
    account_costs.cost_to_serve as expected_cost_to_serve,
    account_costs.retention_cost as expected_retention_cost
from value_months
cross join revenue_months
cross join account_costs
where
    (
        coalesce(value_months.revenue, 0), coalesce(value_months.discounts, 0), coalesce(value_months.refunds, 0),
        coalesce(value_months.cost_to_serve, 0), coalesce(value_months.retention_cost, 0)
    ) is distinct from (
        coalesce(revenue_months.revenue, 0), coalesce(revenue_months.discounts, 0), coalesce(revenue_months.refunds, 0),
        coalesce(account_costs.cost_to_serve, 0), coalesce(account_costs.retention_cost, 0)
    )
