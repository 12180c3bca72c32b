with

years as (
    select * from {{ ref('int_planned_relationship_years') }}
),

summed as (
    select
        relationship_type,
        currency,
        discount_rate,
        max(year_number) as years,
        {{ sum_money('revenue') }} as revenue,
        {{ sum_money('service_cost') }} as service_cost,
        {{ sum_money('contribution') }} as contribution,
        cast(round(sum(cast(revenue as double) * discount_factor), 4) as decimal(38, 4)) as discounted_revenue,
        cast(round(sum(cast(service_cost as double) * discount_factor), 4) as decimal(38, 4)) as discounted_service_cost
    from years
    group by relationship_type, currency, discount_rate
),

final as (
    select
        relationship_type,
        currency,
        discount_rate,
        years,
        revenue,
        service_cost,
        contribution,
        discounted_revenue,
        discounted_service_cost,
        cast(discounted_revenue - discounted_service_cost as decimal(38, 4)) as clv
    from summed
)

select * from final
