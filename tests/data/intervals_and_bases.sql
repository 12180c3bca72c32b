{#
  Every count ratio of the marts: it is its numerator over its denominator, its interval is Wilson's, and it says so
  where its base is small. The bounds are checked by what defines them, not by the formula that gives them: they are
  the two shares p with (rate - p)^2 = z^2 p (1 - p) / n, one on each side of the rate.
#}
with

shares as (
    select
        'mrr_monthly' as mart,
        customers_churned as hits,
        customers_start as base,
        customer_churn_rate as rate,
        customer_churn_ci_low as ci_low,
        customer_churn_ci_high as ci_high,
        is_small_base
    from {{ ref('mrr_monthly') }}
    union all
    select
        'churn_by_segment' as mart,
        customers_churned as hits,
        customers_at_start as base,
        churn_rate as rate,
        ci_low,
        ci_high,
        is_small_base
    from {{ ref('churn_by_segment') }}
    union all
    select
        'cohort_retention' as mart,
        customers_retained as hits,
        customers_at_start as base,
        logo_retention as rate,
        logo_retention_ci_low as ci_low,
        logo_retention_ci_high as ci_high,
        is_small_base
    from {{ ref('cohort_retention') }}
    union all
    select
        'renewals_monthly' as mart,
        renewals_renewed as hits,
        renewals_renewed + renewals_lost as base,
        renewal_rate as rate,
        ci_low,
        ci_high,
        is_small_base
    from {{ ref('renewals_monthly') }}
    union all
    select
        'repeat_purchases' as mart,
        repeat_buyers as hits,
        buyers as base,
        repeat_rate as rate,
        ci_low,
        ci_high,
        is_small_base
    from {{ ref('repeat_purchases') }}
    union all
    select
        'clv_by_account_manager' as mart,
        customers_churned_12m as hits,
        contract_customers_12m_ago as base,
        churn_rate_12m as rate,
        ci_low,
        ci_high,
        is_small_base
    from {{ ref('clv_by_account_manager') }}
),

measured as (
    select
        *,
        {{ z95() }} * {{ z95() }} / cast(nullif(base, 0) as double) as z2_per_row,
        cast(hits as double) / cast(nullif(base, 0) as double) as expected_rate
    from shares
)

select * from measured
where
    is_small_base is distinct from (base < {{ var('small_base_threshold') }})
    or (base = 0 and (rate is not null or ci_low is not null or ci_high is not null))
    or (
        base > 0
        and (
            abs(rate - expected_rate) < 1e-12
            and ci_low between 0e0 and rate
            and ci_high between rate and 1e0
            and ci_low < ci_high
            and abs((rate - ci_low) * (rate - ci_low) - z2_per_row * ci_low * (1e0 - ci_low)) < 1e-9
            and abs((rate - ci_high) * (rate - ci_high) - z2_per_row * ci_high * (1e0 - ci_high)) < 1e-9
        ) is distinct from true
    )
