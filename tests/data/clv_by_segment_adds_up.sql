-- The segments of every dimension add up to the whole, the relationships to both together, the whole to account_clv.
with

sums as (
    select
        relationship,
        segment_dimension,
        sum(customers) as customers,
        sum(active_customers) as active_customers,
        sum(valued_customers) as valued_customers,
        sum(top_tier_customers) as top_tier_customers,
        sum(historic_clv) as historic_clv,
        coalesce(sum(acquisition_cost), 0) as acquisition_cost,
        coalesce(sum(residual_clv), 0e0) as residual_clv,
        coalesce(sum(residual_clv_low), 0e0) as residual_clv_low,
        coalesce(sum(residual_clv_high), 0e0) as residual_clv_high,
        coalesce(sum(total_clv), 0e0) as total_clv
    from {{ ref('clv_by_segment') }}
    group by relationship, segment_dimension
),

accounts as (
    select * from {{ ref('account_clv') }}
    where relationship <> 'none'
),

counted_as as (
    select
        accounts.*,
        relationship as counted_relationship
    from accounts
    union all
    select
        accounts.*,
        'all' as counted_relationship
    from accounts
),

whole as (
    select
        counted_relationship as relationship,
        count(*) as customers,
        count(case when is_active then 1 end) as active_customers,
        count(total_clv) as valued_customers,
        sum(historic_clv) as historic_clv,
        coalesce(sum(acquisition_cost), 0) as acquisition_cost,
        coalesce(sum(residual_clv), 0e0) as residual_clv,
        coalesce(sum(residual_clv_low), 0e0) as residual_clv_low,
        coalesce(sum(residual_clv_high), 0e0) as residual_clv_high,
        coalesce(sum(total_clv), 0e0) as total_clv
    from counted_as
    group by counted_relationship
),

dimensions as (
    select distinct segment_dimension from sums
)

select
    whole.relationship,
    dimensions.segment_dimension
from whole
cross join dimensions
left join sums on whole.relationship = sums.relationship and dimensions.segment_dimension = sums.segment_dimension
left join sums as of_whole on whole.relationship = of_whole.relationship and of_whole.segment_dimension = 'all'
where
    (
        sums.customers = whole.customers
        and sums.active_customers = whole.active_customers
        and sums.valued_customers = whole.valued_customers
        and sums.top_tier_customers = of_whole.top_tier_customers
        and sums.historic_clv = whole.historic_clv
        and sums.acquisition_cost = whole.acquisition_cost
        and abs(sums.residual_clv - whole.residual_clv) <= 1e-9 * abs(whole.residual_clv)
        and abs(sums.residual_clv_low - whole.residual_clv_low) <= 1e-9 * abs(whole.residual_clv_high)
        and abs(sums.residual_clv_high - whole.residual_clv_high) <= 1e-9 * abs(whole.residual_clv_high)
        and abs(sums.total_clv - whole.total_clv) <= 1e-9 * (abs(whole.total_clv) + abs(whole.residual_clv))
    ) is distinct from true
union all
select
    whole.relationship,
    'nowhere' as segment_dimension
from whole
left join sums on whole.relationship = sums.relationship and sums.segment_dimension = 'all'
where sums.relationship is null
