-- The segments of every dimension add up to the whole, and row by row lose the customers and MRR of churn_by_segment.
with

sums as (
    select
        period_grain,
        period_start,
        segment_dimension,
        sum(customers_churned) as customers_churned,
        sum(customers_returned) as customers_returned,
        sum(mrr_churned) as mrr_churned,
        coalesce(sum(residual_value_lost), 0e0) as residual_value_lost,
        coalesce(sum(residual_value_returned), 0e0) as residual_value_returned,
        sum(value_unknown_customers) as value_unknown_customers,
        coalesce(sum(unrecovered_acquisition_cost), 0) as unrecovered_acquisition_cost,
        sum(unrecovered_customers) as unrecovered_customers,
        sum(acquisition_cost_unknown_customers) as acquisition_cost_unknown_customers
    from {{ ref('churn_cost') }}
    group by period_grain, period_start, segment_dimension
),

against_whole as (
    select
        sums.period_grain,
        sums.period_start,
        sums.segment_dimension
    from sums
    left join sums as whole
        on
            sums.period_grain = whole.period_grain
            and sums.period_start = whole.period_start
            and whole.segment_dimension = 'all'
    where
        (
            sums.customers_churned = whole.customers_churned
            and sums.customers_returned = whole.customers_returned
            and sums.mrr_churned = whole.mrr_churned
            and abs(sums.residual_value_lost - whole.residual_value_lost) <= 1e-9 * abs(whole.residual_value_lost)
            and abs(sums.residual_value_returned - whole.residual_value_returned)
            <= 1e-9 * abs(whole.residual_value_lost)
            and sums.value_unknown_customers = whole.value_unknown_customers
            and sums.unrecovered_acquisition_cost = whole.unrecovered_acquisition_cost
            and sums.unrecovered_customers = whole.unrecovered_customers
            and sums.acquisition_cost_unknown_customers = whole.acquisition_cost_unknown_customers
        ) is distinct from true
),

against_churn as (
    select
        churn.period_grain,
        churn.period_start,
        churn.segment_dimension
    from {{ ref('churn_by_segment') }} as churn
    full outer join {{ ref('churn_cost') }} as cost
        on
            churn.period_grain = cost.period_grain
            and churn.period_start = cost.period_start
            and churn.segment_dimension = cost.segment_dimension
            and churn.segment_value = cost.segment_value
    where
        coalesce(churn.customers_churned, 0) <> coalesce(cost.customers_churned, 0)
        or coalesce(churn.mrr_churned, 0) <> coalesce(cost.mrr_churned, 0)
)

select * from against_whole
union all
select * from against_churn
