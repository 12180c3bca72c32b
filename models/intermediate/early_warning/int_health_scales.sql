with

fits as (
    select * from {{ ref('int_health_fits') }}
),

training as (
    select * from {{ ref('int_health_training') }}
),

features as (
    select * from {{ ref('int_health_features') }}
),

signals as (
    select * from {{ ref('signals') }}
),

named_features as (
    select * from {{ ref('health_features') }}
),

usage_windows as (
    select distinct
        grid_date,
        feature
    from {{ ref('int_usage_windows') }}
    where feature <> 'all'
),

-- the features of each fit; of the product's features those that were used most when it was trained
known as (
    select
        fits.fit,
        concat('signal:', signals.signal) as feature,
        'signals' as feature_group,
        signals.prior_weight as prior
    from fits
    cross join signals
    where signals.signal not in {{ signals_not_scored() }}
    union all
    select
        fits.fit,
        named_features.feature,
        named_features.feature_group,
        0e0 as prior
    from fits
    cross join named_features
    where not named_features.is_per_product_feature
    union all
    select
        fits.fit,
        concat(named_features.feature, ':', usage_windows.feature) as feature,
        named_features.feature_group,
        0e0 as prior
    from fits
    inner join usage_windows on fits.trained_through = usage_windows.grid_date
    cross join named_features
    where named_features.is_per_product_feature
),

seen as (
    select
        training.fit,
        features.feature,
        features.x
    from training
    inner join features on training.grid_date = features.grid_date and training.account_id = features.account_id
),

means as (
    select
        fit,
        feature,
        sum(x) / count(*) as mean,
        min(x) < max(x) as is_varied
    from seen
    group by fit, feature
),

spreads as (
    select
        seen.fit,
        seen.feature,
        sqrt(sum((seen.x - means.mean) * (seen.x - means.mean)) / count(*)) as deviation
    from seen
    inner join means on seen.fit = means.fit and seen.feature = means.feature  -- exactly one
    group by seen.fit, seen.feature
),

-- A signal weighs as a whole, also one that was never seen fired: its prior is that of firing. What never varied says
-- nothing.
final as (
    select
        known.fit,
        known.feature,
        known.feature_group,
        known.prior,
        case
            when known.feature_group = 'signals' then {{ health_precision(of_signal=true) }}
            else {{ health_precision(of_signal=false) }}
        end as precision,
        case when known.feature_group = 'signals' then coalesce(means.mean, 0e0) else means.mean end as centre,
        case
            when known.feature_group = 'signals' then 1e0
            when means.is_varied then spreads.deviation
        end as scale
    from known
    left join means on known.fit = means.fit and known.feature = means.feature  -- at most one
    left join spreads on known.fit = spreads.fit and known.feature = spreads.feature  -- at most one
)

select * from final
