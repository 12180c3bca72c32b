{{ config(
    materialized='fitted',
    family='sbg',
    fit_keys=['as_of_date', 'period_months', 'segment_value'],
    whole={'segment_value': 'all'}
) }}
with

periods as (
    select * from {{ ref('int_renewal_periods') }}
),

final as (
    select
        as_of_date,
        period_months,
        segment_value,
        period,
        at_risk,
        churned
    from periods
)

select * from final
