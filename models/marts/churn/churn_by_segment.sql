{%- set dimensions = segment_dimensions() -%}
with

account_periods as (
    select * from {{ ref('int_account_periods') }}
    where is_active_start or is_active_end or joined_and_left
),

benchmarks as (
    select * from {{ ref('benchmarks') }}
    where metric = 'customer_churn_rate' and is_shown
),

counted as (
    select
        period_grain,
        period_start,
        is_complete,
        {{ segment_dimension_of_set(dimensions) }} as segment_dimension,
        {{ segment_value_of_set(dimensions) }} as segment_value,
        {{ count_where('is_active_start') }} as customers_at_start,
        {{ count_where("movement = 'churn'") }} as customers_churned,
        {{ sum_money('mrr_start') }} as mrr_at_start,
        {{ sum_money('mrr_churned') }} as mrr_churned,
        {{ sum_money('mrr_contracted') }} as mrr_contracted,
        {{ sum_money('mrr_expanded') }} as mrr_expanded,
        {{ sum_money("case when movement = 'reactivation' then mrr_commercial_change end") }} as mrr_reactivated
    from account_periods
    group by {{ segment_grouping_sets(['period_grain', 'period_start', 'is_complete'], dimensions) }}
),

retained as (
    select
        *,
        {{ mrr_retained_gross('mrr_at_start', 'mrr_churned', 'mrr_contracted') }} as mrr_retained_gross,
        {{ mrr_retained_net('mrr_at_start', 'mrr_churned', 'mrr_contracted', 'mrr_expanded') }} as mrr_retained_net
    from counted
),

-- a published rate is only set beside ours after conversion to the period of the row
benchmarked as (
    select
        retained.*,
        benchmarks.rate as benchmark_rate_published,
        benchmarks.period as benchmark_period,
        case when benchmarks.period = 'unstated' then '{{ var("benchmark_assumed_period") }}' else benchmarks.period end
            as benchmark_period_used,
        benchmarks.source as benchmark_source
    from retained
    left join benchmarks  -- at most one
        on
            retained.segment_dimension = benchmarks.segment_dimension
            and lower(retained.segment_value) = lower(benchmarks.segment_value)
),

final as (
    select
        period_grain,
        period_start,
        segment_dimension,
        segment_value,
        is_complete,
        customers_at_start,
        customers_churned,
        {{ customer_churn_rate('customers_churned', 'customers_at_start') }} as churn_rate,
        {{ wilson_low('customers_churned', 'customers_at_start') }} as ci_low,
        {{ wilson_high('customers_churned', 'customers_at_start') }} as ci_high,
        {{ is_small_base('customers_at_start') }} as is_small_base,
        mrr_at_start,
        mrr_churned,
        mrr_contracted,
        mrr_expanded,
        {{ gross_revenue_churn_rate('mrr_churned', 'mrr_contracted', 'mrr_at_start') }} as gross_revenue_churn_rate,
        {{ net_revenue_churn_rate('mrr_churned', 'mrr_contracted', 'mrr_expanded', 'mrr_reactivated', 'mrr_at_start') }}
            as net_revenue_churn_rate,
        {{ nrr('mrr_retained_net', 'mrr_at_start') }} as nrr,
        {{ grr('mrr_retained_gross', 'mrr_at_start') }} as grr,
        {{ convert_rate(
            'benchmark_rate_published', months_of_grain('benchmark_period_used'), months_of_grain('period_grain')
        ) }} as benchmark_rate,
        benchmark_rate_published,
        benchmark_period,
        benchmark_period_used,
        benchmark_source
    from benchmarked
)

select * from final
