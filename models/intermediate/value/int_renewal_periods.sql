with

histories as (
    select * from {{ ref('int_renewal_histories') }}
    where periods_observed >= 1
),

segmented as (
    {{ with_fit_segments('histories') }}
),

numbers as (
    {{ number_spine() }}
),

ended as (
    select
        as_of_date,
        period_months,
        segment_value,
        periods_observed,
        count(*) as runs,
        {{ count_where('is_loss_observed') }} as churned
    from segmented
    group by as_of_date, period_months, segment_value, periods_observed
),

longest as (
    select
        as_of_date,
        period_months,
        segment_value,
        max(periods_observed) as last_period
    from ended
    group by as_of_date, period_months, segment_value
),

grid as (
    select
        longest.as_of_date,
        longest.period_months,
        longest.segment_value,
        cast(numbers.i as integer) as period
    from longest
    inner join numbers on numbers.i >= 1 and numbers.i <= longest.last_period
),

filled as (
    select
        grid.as_of_date,
        grid.period_months,
        grid.segment_value,
        grid.period,
        coalesce(ended.runs, 0) as runs,
        coalesce(ended.churned, 0) as churned
    from grid
    left join ended  -- at most one
        on
            grid.as_of_date = ended.as_of_date
            and grid.period_months = ended.period_months
            and grid.segment_value = ended.segment_value
            and grid.period = ended.periods_observed
),

final as (
    select
        as_of_date,
        period_months,
        segment_value,
        period,
        -- everyone whose time reaches to the end of this period or beyond
        cast(sum(runs) over (
            partition by as_of_date, period_months, segment_value
            order by period desc
            rows between unbounded preceding and current row
        ) as bigint) as at_risk,
        cast(churned as bigint) as churned
    from filled
)

select * from final
