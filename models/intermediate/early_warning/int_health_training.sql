with

labels as (
    select * from {{ ref('int_churn_labels') }}
    where state in ('churned', 'stayed')
),

dates as (
    select * from {{ ref('int_signal_dates') }}
    where is_month_start
),

fits as (
    select * from {{ ref('int_health_fits') }}
),

matured as (
    select
        fits.fit,
        labels.grid_date,
        labels.account_id,
        case when labels.state = 'churned' then 1 else 0 end as y,
        substring(md5(concat(labels.account_id, '|', cast(labels.grid_date as string))), 1, 4) as draw
    from fits
    inner join labels on labels.grid_date <= fits.trained_through
    inner join dates on labels.grid_date = dates.grid_date  -- at most one
),

-- more than a fit may learn from: those whose draw comes first, as many draws as may be taken whole
drawn as (
    select
        fit,
        draw,
        sum(count(*)) over (
            partition by fit order by draw rows between unbounded preceding and current row
        ) as rows_so_far
    from matured
    group by fit, draw
),

final as (
    select
        matured.fit,
        matured.grid_date,
        matured.account_id,
        matured.y
    from matured
    inner join drawn on matured.fit = drawn.fit and matured.draw = drawn.draw  -- exactly one
    where drawn.rows_so_far <= {{ var('health_max_training_rows') }}
)

select * from final
