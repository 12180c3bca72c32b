with

dates as (
    select * from {{ ref('int_signal_dates') }}
),

weights as (
    select * from {{ ref('int_health_weights') }}
    where feature = 'intercept' and weight is not null
),

ranked as (
    select
        dates.grid_date,
        weights.fit,
        weights.trained_through,
        weights.weight as intercept,
        weights.status,
        row_number() over (partition by dates.grid_date order by weights.usable_from desc) as newest
    from dates
    inner join weights on dates.grid_date >= weights.usable_from
),

final as (
    select
        grid_date,
        fit,
        trained_through,
        intercept,
        status
    from ranked
    where newest = 1
)

select * from final
