{{ config(
    materialized='fitted',
    family='bgnbd',
    fit_keys=['as_of_date', 'segment_value'],
    whole={'segment_value': 'all'}
) }}
with

histories as (
    select * from {{ ref('int_purchase_histories') }}
),

segmented as (
    {{ with_fit_segments('histories') }}
),

-- customers with the same history look alike to the model
final as (
    select
        as_of_date,
        segment_value,
        repeat_purchases as x,
        recency_weeks as t_x,
        age_weeks as t,
        count(*) as n
    from segmented
    group by as_of_date, segment_value, repeat_purchases, recency_weeks, age_weeks
)

select * from final
