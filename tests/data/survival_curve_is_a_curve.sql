-- Survival never rises, everybody starts at risk, and who left or was censored is no longer at risk.
with

curve as (
    select
        *,
        lag(survival) over (partition by segment_dimension, segment_value order by tenure_month) as previous_survival,
        lag(at_risk - churned - censored) over (
            partition by segment_dimension, segment_value order by tenure_month
        ) as expected_at_risk
    from {{ ref('survival_curve') }}
),

members as (
    select count(*) as customers from {{ ref('int_cohort_members') }}
    where relationship = 'contract'
),

broken as (
    select
        curve.segment_dimension,
        curve.segment_value,
        curve.tenure_month
    from curve
    where curve.survival > curve.previous_survival + 1e-12 or curve.at_risk <> curve.expected_at_risk
),

starts as (
    select
        curve.segment_dimension,
        'customers at risk at the start' as segment_value,
        cast(sum(curve.at_risk) as integer) as tenure_month
    from curve
    cross join members
    where curve.tenure_month = 0
    group by curve.segment_dimension
    having sum(curve.at_risk) <> max(members.customers)
)

select * from broken
union all
select * from starts
