with

fits as (
    select * from {{ ref('int_renewal_fits') }}
    where as_of_date = {{ as_of_date() }}
),

periods as (
    select * from {{ ref('int_renewal_periods') }}
    where as_of_date = {{ as_of_date() }}
),

numbers as (
    {{ number_spine() }}
),

longest as (
    select
        period_months,
        segment_value,
        max(period) as last_period
    from periods
    group by period_months, segment_value
),

-- as far as was seen, and the horizon beyond
grid as (
    select
        longest.period_months,
        longest.segment_value,
        longest.last_period,
        cast(numbers.i as integer) as period
    from longest
    inner join numbers
        on
            numbers.i >= 1
            and numbers.i <= longest.last_period + {{ var('clv_horizon_months') }} / longest.period_months
),

observed as (
    select
        grid.period_months,
        grid.segment_value,
        grid.period,
        periods.at_risk,
        periods.churned
    from grid
    left join periods  -- at most one
        on
            grid.period_months = periods.period_months
            and grid.segment_value = periods.segment_value
            and grid.period = periods.period
),

-- Kaplan-Meier is a product over periods, summed as logarithms; once all at risk have left it is 0 for good
summed as (
    select
        *,
        sum(case when churned < at_risk then ln(1e0 - cast(churned as double) / at_risk) else 0e0 end) over (
            partition by period_months, segment_value
            order by period
            rows between unbounded preceding and current row
        ) as log_survival,
        max(case when churned = at_risk then 1 else 0 end) over (
            partition by period_months, segment_value
            order by period
            rows between unbounded preceding and current row
        ) = 1 as is_extinct
    from observed
),

fitted as (
    select
        summed.*,
        fits.model,
        fits.status as model_status,
        fits.alpha,
        fits.beta,
        cast(summed.period as double) as n,
        {{ discount_factor('summed.period_months') }} as v
    from summed
    left join fits  -- at most one
        on summed.period_months = fits.period_months and summed.segment_value = fits.segment_value
),

{{ sbg_derl_ctes('fitted', 'valued') }},

final as (
    select
        period_months,
        segment_value,
        period,
        at_risk,
        churned,
        {{ ratio('churned', 'at_risk') }} as hazard,
        case when at_risk is null then null when is_extinct then 0e0 else exp(log_survival) end as survival,
        model,
        model_status,
        1e0 - {{ sbg_renewal_probability('alpha', 'beta', 'n') }} as fitted_hazard,
        {{ sbg_survival_ratio('alpha', 'beta', '0e0', 'n') }} as fitted_survival,
        derl as discounted_expected_residual_lifetime,
        {{ is_small_base('at_risk') }} as is_small_base
    from valued
)

select * from final
