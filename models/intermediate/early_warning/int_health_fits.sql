with

dates as (
    select * from {{ ref('int_signal_dates') }}
),

-- the calendar of fits is fixed: it does not move with the as-of date
final as (
    select
        cast(grid_date as string) as fit,
        grid_date as trained_through,
        {{ horizon_end('grid_date') }} as usable_from
    from dates
    where
        is_month_start
        and cast({{ calendar_months_between("cast('2000-01-01' as date)", 'grid_date') }} as integer)
        % {{ var('health_refit_months') }} = 0
        and {{ horizon_end('grid_date') }} <= {{ as_of_date() }}
    union all
    -- until the first of them: the priors of the seed
    select
        'prior' as fit,
        cast(null as date) as trained_through,
        cast('1900-01-01' as date) as usable_from
)

select * from final
