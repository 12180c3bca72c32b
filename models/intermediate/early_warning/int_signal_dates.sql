{#- the calendar that early warning looks back on; it moves with no data but the first day there is -#}
with

stretches as (
    select min(from_date) as first_day from {{ ref('int_customer_stretches') }}
),

numbers as (
    {{ number_spine() }}
),

dates as (
    select {{ add_months(period_start_of('month', 'stretches.first_day'), 'numbers.i') }} as grid_date
    from stretches
    cross join numbers
    where
        numbers.i <= {{ days_between('stretches.first_day', as_of_date()) }} / 27 + 1
        and {{ add_months(period_start_of('month', 'stretches.first_day'), 'numbers.i') }} <= {{ as_of_date() }}
    union
    select {{ as_of_date() }} as grid_date
    from stretches
    where stretches.first_day is not null
    union
    select {{ add_days(as_of_date(), -30) }} as grid_date
    from stretches
    where stretches.first_day <= {{ add_days(as_of_date(), -30) }}
),

final as (
    select
        grid_date,
        grid_date = {{ period_start_of('month', 'grid_date') }} as is_month_start,
        grid_date = {{ as_of_date() }} as is_as_of,
        grid_date = {{ add_days(as_of_date(), -30) }} as is_delta
    from dates
)

select * from final
