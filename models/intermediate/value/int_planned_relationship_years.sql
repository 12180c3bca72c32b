with

planned_relationships as (
    select * from {{ ref('planned_relationships') }}
),

numbers as (
    {{ number_spine() }}
),

-- an item comes due in its first year and, where it repeats, every so many years up to its last
occurrences as (
    select
        planned_relationships.relationship_type,
        planned_relationships.first_year + numbers.i * coalesce(planned_relationships.every_years, 0) as year_number,
        planned_relationships.amount,
        planned_relationships.service_cost
    from planned_relationships
    inner join numbers
        on
            numbers.i = 0
            or (
                planned_relationships.every_years > 0
                and planned_relationships.first_year + numbers.i * planned_relationships.every_years
                <= planned_relationships.last_year
            )
),

types as (
    select
        relationship_type,
        max(coalesce(last_year, first_year)) as last_year,
        max(discount_rate) as discount_rate,
        max(currency) as currency
    from planned_relationships
    group by relationship_type
),

years as (
    select
        types.relationship_type,
        types.currency,
        types.discount_rate,
        numbers.i as year_number
    from types
    inner join numbers on numbers.i <= types.last_year
),

planned as (
    select
        years.relationship_type,
        years.year_number,
        years.currency,
        years.discount_rate,
        {{ sum_money('occurrences.amount') }} as revenue,
        {{ sum_money('occurrences.service_cost') }} as service_cost
    from years
    left join occurrences
        on years.relationship_type = occurrences.relationship_type and years.year_number = occurrences.year_number
    group by years.relationship_type, years.year_number, years.currency, years.discount_rate
),

final as (
    select
        relationship_type,
        cast(year_number as integer) as year_number,
        currency,
        discount_rate,
        revenue,
        service_cost,
        cast(revenue - service_cost as decimal(38, 4)) as contribution,
        -- money of the first year is worth what it is; later money is worth less
        power(1e0 + cast(discount_rate as double), -cast(year_number as double)) as discount_factor
    from planned
)

select * from final
