with

sbg as (
    select * from {{ ref('int_sbg_fits') }}
),

periods as (
    select * from {{ ref('int_renewal_periods') }}
    where segment_value = 'all'
),

counted as (
    select
        as_of_date,
        period_months,
        segment_value,
        cast(sum(case when period = 1 then at_risk else 0 end) as double) as n,
        cast(sum(at_risk) as double) as renewals_due,
        cast(sum(churned) as double) as churned
    from periods
    group by as_of_date, period_months, segment_value
),

-- One probability for all customers and renewals: what sBG comes to where no difference between customers shows,
-- because alpha and beta grow without bound, or only one renewal has been seen.
geometric as (
    select
        counted.as_of_date,
        counted.period_months,
        counted.segment_value,
        counted.n,
        counted.churned / counted.renewals_due as churn_probability,
        counted.churned * ln(counted.churned / counted.renewals_due)
        + (counted.renewals_due - counted.churned) * ln(1e0 - counted.churned / counted.renewals_due) as log_likelihood,
        -- of the log-odds
        counted.renewals_due / (counted.churned * (counted.renewals_due - counted.churned)) as variance
    from counted
    inner join sbg  -- exactly one
        on
            counted.as_of_date = sbg.as_of_date
            and counted.period_months = sbg.period_months
            and counted.segment_value = sbg.segment_value
    where
        sbg.status in ('at_boundary', 'not_identified', 'not_converged')
        and counted.churned > 0e0
        and counted.churned < counted.renewals_due
        and counted.n >= {{ var('clv_min_customers') }}
),

final as (
    select
        'sbg' as model,
        as_of_date,
        period_months,
        segment_value,
        n,
        alpha,
        beta,
        cast(null as double) as churn_probability,
        log_likelihood,
        iterations,
        status,
        cov_11,
        cov_21,
        cov_22
    from sbg
    where
        not exists (
            select 1 from geometric
            where
                sbg.as_of_date = geometric.as_of_date
                and sbg.period_months = geometric.period_months
                and sbg.segment_value = geometric.segment_value
        )
    union all
    -- as an sBG in which 10^7 customers' worth of evidence speaks for that probability: it does not move with tenure
    select
        'geometric' as model,
        as_of_date,
        period_months,
        segment_value,
        n,
        churn_probability * 1e7 as alpha,
        (1e0 - churn_probability) * 1e7 as beta,
        churn_probability,
        log_likelihood,
        0 as iterations,
        'converged' as status,
        (1e0 - churn_probability) * (1e0 - churn_probability) * variance as cov_11,
        -churn_probability * (1e0 - churn_probability) * variance as cov_21,
        churn_probability * churn_probability * variance as cov_22
    from geometric
)

select * from final
