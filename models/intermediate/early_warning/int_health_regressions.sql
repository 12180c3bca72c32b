{{ config(materialized='logistic') }}
{%- set churn = var('health_prior_churn') %}
with

fits as (
    select * from {{ ref('int_health_fits') }}
),

training as (
    select
        fit,
        grid_date,
        account_id,
        y,
        concat(account_id, '|', cast(grid_date as string)) as observation
    from {{ ref('int_health_training') }}
),

features as (
    select * from {{ ref('int_health_features') }}
),

scales as (
    select * from {{ ref('int_health_scales') }}
),

-- what is not known counts as usual: x = 0, which needs no row
final as (
    select
        training.fit,
        training.observation,
        training.y,
        features.feature,
        {{ health_standardised('features.x', 'scales') }} as x,
        cast(null as double) as prior,
        cast(null as double) as precision
    from training
    inner join features on training.grid_date = features.grid_date and training.account_id = features.account_id
    inner join scales on training.fit = scales.fit and features.feature = scales.feature  -- at most one
    where scales.scale is not null
    union all
    select
        fit,
        observation,
        y,
        'intercept' as feature,
        1e0 as x,
        cast(null as double) as prior,
        cast(null as double) as precision
    from training
    union all
    select
        fit,
        cast(null as string) as observation,
        cast(null as integer) as y,
        feature,
        cast(null as double) as x,
        prior,
        precision
    from scales
    union all
    -- without history a customer is like any other
    select
        fit,
        cast(null as string) as observation,
        cast(null as integer) as y,
        'intercept' as feature,
        cast(null as double) as x,
        ln(cast({{ churn }} as double) / (1e0 - cast({{ churn }} as double))) as prior,
        {{ health_precision(of_signal=true) }} as precision
    from fits
)

select * from final
