{{ config(
    materialized='fitted',
    family='gamma_gamma',
    fit_keys=['as_of_date', 'segment_value'],
    whole={'segment_value': 'all'}
) }}
with

-- the value of a purchase is a matter of those who came back and paid
histories as (
    select * from {{ ref('int_purchase_histories') }}
    where repeat_value_mean > 0
),

segmented as (
    {{ with_fit_segments('histories') }}
),

final as (
    select
        as_of_date,
        segment_value,
        repeat_purchases as x,
        repeat_value_mean as m,
        count(*) as n
    from segmented
    group by as_of_date, segment_value, repeat_purchases, repeat_value_mean
)

select * from final
