-- Every customer lost has a reason: the reasons of a period add up to its churn.
with

reasons as (
    select
        period_grain,
        period_start,
        sum(customers_churned) as customers_churned,
        sum(mrr_churned) as mrr_churned
    from {{ ref('churn_reasons') }}
    group by period_grain, period_start
),

churn as (
    select * from {{ ref('churn_by_segment') }}
    where segment_dimension = 'all'
)

select
    churn.period_grain,
    churn.period_start
from churn
left join reasons on churn.period_grain = reasons.period_grain and churn.period_start = reasons.period_start
where
    churn.customers_churned <> coalesce(reasons.customers_churned, 0)
    or churn.mrr_churned <> coalesce(reasons.mrr_churned, 0)
