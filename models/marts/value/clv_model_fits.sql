{%- set parameters = ['alpha', 'beta', 'churn_probability', 'r', 'a', 'b', 'p', 'q', 'v'] -%}
with

renewal_fits as (
    select * from {{ ref('int_renewal_fits') }}
),

purchase_fits as (
    select * from {{ ref('int_bgnbd_fits') }}
),

spend_fits as (
    select * from {{ ref('int_gamma_gamma_fits') }}
),

histories as (
    select * from {{ ref('int_purchase_histories') }}
    where repeat_value_mean > 0
),

segmented as (
    {{ with_fit_segments('histories') }}
),

sums as (
    select
        as_of_date,
        segment_value,
        cast(count(*) as double) as n,
        sum(cast(repeat_purchases as double)) as x,
        sum(cast(repeat_value_mean as double)) as m,
        sum(cast(repeat_purchases as double) * repeat_purchases) as xx,
        sum(cast(repeat_value_mean as double) * cast(repeat_value_mean as double)) as mm,
        sum(cast(repeat_purchases as double) * cast(repeat_value_mean as double)) as xm
    from segmented
    group by as_of_date, segment_value
),

correlations as (
    select
        as_of_date,
        segment_value,
        case
            when n * xx - x * x > 1e-9 * n * xx and n * mm - m * m > 1e-9 * n * mm
                then (n * xm - x * m) / (sqrt(n * xx - x * x) * sqrt(n * mm - m * m))
        end as spend_frequency_correlation
    from sums
),

entering as (
    select
        model,
        as_of_date,
        period_months,
        segment_value,
        alpha,
        beta,
        1e0 as n,
        {{ discount_factor('period_months') }} as v
    from renewal_fits
),

{{ sbg_derl_ctes('entering', 'lasting') }},

unioned as (
    select
        renewal_fits.model,
        renewal_fits.as_of_date,
        renewal_fits.period_months,
        renewal_fits.segment_value,
        renewal_fits.n,
        case when renewal_fits.model = 'sbg' then renewal_fits.alpha end as alpha,
        case when renewal_fits.model = 'sbg' then renewal_fits.beta end as beta,
        renewal_fits.churn_probability,
        cast(null as double) as r,
        cast(null as double) as a,
        cast(null as double) as b,
        cast(null as double) as p,
        cast(null as double) as q,
        cast(null as double) as v,
        case when renewal_fits.model = 'sbg' then renewal_fits.alpha * sqrt(renewal_fits.cov_11) end as alpha_se,
        case when renewal_fits.model = 'sbg' then renewal_fits.beta * sqrt(renewal_fits.cov_22) end as beta_se,
        -- the logarithms of alpha and beta move against each other by 1 - p and p of the log-odds
        case when renewal_fits.model = 'geometric' then renewal_fits.churn_probability * sqrt(renewal_fits.cov_11) end
            as churn_probability_se,
        cast(null as double) as r_se,
        cast(null as double) as a_se,
        cast(null as double) as b_se,
        cast(null as double) as p_se,
        cast(null as double) as q_se,
        cast(null as double) as v_se,
        renewal_fits.log_likelihood,
        renewal_fits.iterations,
        renewal_fits.status,
        cast(null as double) as spend_frequency_correlation,
        -- the first period is paid for, then what is expected of a customer in it
        1e0 + lasting.v * lasting.derl as discounted_expected_lifetime
    from renewal_fits
    inner join lasting  -- exactly one
        on
            renewal_fits.as_of_date = lasting.as_of_date
            and renewal_fits.period_months = lasting.period_months
            and renewal_fits.segment_value = lasting.segment_value
    union all
    select
        'bgnbd' as model,
        as_of_date,
        cast(null as integer) as period_months,
        segment_value,
        n,
        alpha,
        cast(null as double) as beta,
        cast(null as double) as churn_probability,
        r,
        a,
        b,
        cast(null as double) as p,
        cast(null as double) as q,
        cast(null as double) as v,
        alpha * sqrt(cov_22) as alpha_se,
        cast(null as double) as beta_se,
        cast(null as double) as churn_probability_se,
        r * sqrt(cov_11) as r_se,
        a * sqrt(cov_33) as a_se,
        b * sqrt(cov_44) as b_se,
        cast(null as double) as p_se,
        cast(null as double) as q_se,
        cast(null as double) as v_se,
        log_likelihood,
        iterations,
        status,
        cast(null as double) as spend_frequency_correlation,
        cast(null as double) as discounted_expected_lifetime
    from purchase_fits
    union all
    select
        'gamma_gamma' as model,
        spend_fits.as_of_date,
        cast(null as integer) as period_months,
        spend_fits.segment_value,
        spend_fits.n,
        cast(null as double) as alpha,
        cast(null as double) as beta,
        cast(null as double) as churn_probability,
        cast(null as double) as r,
        cast(null as double) as a,
        cast(null as double) as b,
        spend_fits.p,
        spend_fits.q,
        spend_fits.v,
        cast(null as double) as alpha_se,
        cast(null as double) as beta_se,
        cast(null as double) as churn_probability_se,
        cast(null as double) as r_se,
        cast(null as double) as a_se,
        cast(null as double) as b_se,
        spend_fits.p * sqrt(spend_fits.cov_11) as p_se,
        spend_fits.q * sqrt(spend_fits.cov_22) as q_se,
        -- ln v = ln p v - ln p
        spend_fits.v * sqrt(spend_fits.cov_33 + spend_fits.cov_11 - 2e0 * spend_fits.cov_31) as v_se,
        spend_fits.log_likelihood,
        spend_fits.iterations,
        spend_fits.status,
        correlations.spend_frequency_correlation,
        cast(null as double) as discounted_expected_lifetime
    from spend_fits
    left join correlations  -- at most one
        on
            spend_fits.as_of_date = correlations.as_of_date
            and spend_fits.segment_value = correlations.segment_value
),

final as (
    select
        model,
        as_of_date,
        as_of_date = {{ as_of_date() }} as is_current,
        period_months,
        segment_value,
        cast(n as bigint) as n,
        {%- for parameter in parameters %}
        {{ parameter }},
        {{ parameter }}_se,
        {%- endfor %}
        log_likelihood,
        iterations,
        status,
        spend_frequency_correlation,
        discounted_expected_lifetime
    from unioned
)

select * from final
