-- The business models add up to the whole, which is that of clv_by_segment.
with

sums as (
    select
        relationship,
        sum(customers) as customers,
        sum(active_customers) as active_customers,
        sum(valued_customers) as valued_customers,
        coalesce(sum(total_clv), 0e0) as total_clv,
        coalesce(sum(share_of_total_clv), 0e0) as share_of_total_clv
    from {{ ref('clv_by_business_model') }}
    where business_model <> 'all'
    group by relationship
),

whole as (
    select * from {{ ref('clv_by_business_model') }}
    where business_model = 'all'
),

segments as (
    select * from {{ ref('clv_by_segment') }}
    where segment_dimension = 'all'
)

select segments.relationship
from segments
left join whole on segments.relationship = whole.relationship
left join sums on segments.relationship = sums.relationship
where
    (
        segments.customers = whole.customers
        and segments.customers = sums.customers
        and segments.active_customers = whole.active_customers
        and segments.active_customers = sums.active_customers
        and segments.valued_customers = sums.valued_customers
        and coalesce(abs(segments.total_clv_mean - whole.total_clv_mean) <= 1e-9 * abs(whole.total_clv_mean), true)
        and coalesce(segments.total_clv_median = whole.total_clv_median, true)
        and coalesce(abs(segments.total_clv - sums.total_clv) <= 1e-9 * segments.residual_clv_high, true)
        and coalesce(abs(segments.clv_to_cac - whole.clv_to_cac) <= 1e-9 * abs(whole.clv_to_cac), true)
    ) is distinct from true
