with

regressions as (
    select * from {{ ref('int_health_regressions') }}
),

fits as (
    select * from {{ ref('int_health_fits') }}
),

scales as (
    select * from {{ ref('int_health_scales') }}
),

final as (
    select
        regressions.fit,
        fits.trained_through,
        fits.usable_from,
        regressions.feature,
        coalesce(scales.feature_group, 'intercept') as feature_group,
        regressions.prior,
        regressions.weight,
        regressions.standard_error,
        scales.centre,
        scales.scale,
        regressions.observations,
        regressions.churned,
        regressions.log_likelihood,
        regressions.iterations,
        regressions.status
    from regressions
    inner join fits on regressions.fit = fits.fit  -- exactly one
    left join scales on regressions.fit = scales.fit and regressions.feature = scales.feature  -- none for the intercept
)

select * from final
