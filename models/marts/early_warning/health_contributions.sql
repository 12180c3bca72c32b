with

reasons as (
    select * from {{ ref('int_health_reasons') }}
),

final as (
    select
        account_id,
        grid_date as as_of_date,
        feature,
        feature_group,
        label,
        words,
        x,
        contribution,
        rank_of_risk
    from reasons
)

select * from final
