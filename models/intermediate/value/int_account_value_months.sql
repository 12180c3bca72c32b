with

revenue_months as (
    select * from {{ ref('int_revenue_months') }}
),

account_costs as (
    select * from {{ ref('int_account_costs') }}
),

accounts as (
    select * from {{ ref('accounts') }}
),

joined as (
    select
        coalesce(revenue_months.account_id, account_costs.account_id) as account_id,
        coalesce(revenue_months.month_start, account_costs.month_start) as month_start,
        coalesce(revenue_months.revenue, 0) as revenue,
        coalesce(revenue_months.discounts, 0) as discounts,
        coalesce(revenue_months.refunds, 0) as refunds,
        coalesce(account_costs.cost_to_serve, 0) as cost_to_serve,
        coalesce(account_costs.retention_cost, 0) as retention_cost
    from revenue_months
    full outer join account_costs
        on
            revenue_months.account_id = account_costs.account_id
            and revenue_months.month_start = account_costs.month_start
),

with_margin as (
    select
        joined.*,
        cast({{ gross_margin_of('accounts') }} as decimal(18, 8)) as gross_margin
    from joined
    inner join accounts on joined.account_id = accounts.account_id  -- exactly one
    where
        joined.revenue <> 0
        or joined.discounts <> 0
        or joined.refunds <> 0
        or joined.cost_to_serve <> 0
        or joined.retention_cost <> 0
),

final as (
    select
        account_id,
        month_start,
        revenue,
        discounts,
        refunds,
        gross_margin,
        cost_to_serve,
        retention_cost,
        cast(
            {{ convert_money('revenue - refunds', 'gross_margin') }} - cost_to_serve - retention_cost as decimal(38, 4)
        ) as contribution
    from with_margin
)

select * from final
