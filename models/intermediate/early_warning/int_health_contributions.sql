{#- as many rows as features: worked out where they are read -#}
{{ config(materialized='view') }}
with

features as (
    select * from {{ ref('int_health_features') }}
),

weights as (
    select * from {{ ref('int_health_weights') }}
),

date_fits as (
    select * from {{ ref('int_health_date_fits') }}
),

final as (
    select
        features.grid_date,
        features.account_id,
        features.feature,
        weights.feature_group,
        features.x,
        weights.centre,
        {{ health_contribution('features.x', 'weights') }} as contribution
    from features
    inner join date_fits on features.grid_date = date_fits.grid_date  -- exactly one
    inner join weights on date_fits.fit = weights.fit and features.feature = weights.feature  -- at most one
)

select * from final
