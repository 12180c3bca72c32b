{%- set dimensions = segment_dimensions() -%}
{%- set grains = ['week', 'month', 'quarter', 'year'] -%}
with

members as (
    select * from {{ ref('int_cohort_members') }}
),

activity as (
    select * from {{ ref('int_cohort_activity') }}
),

periods as (
    select * from {{ ref('int_periods') }}
    where is_complete
),

members_by_grain as (
    {%- for grain in grains %}
    select
        '{{ grain }}' as cohort_grain,
        {{ period_start_of(grain, 'first_day') }} as cohort_start,
        *
    from members
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

cohorts as (
    select
        relationship,
        cohort_grain,
        cohort_start,
        {{ segment_dimension_of_set(dimensions) }} as segment_dimension,
        {{ segment_value_of_set(dimensions) }} as segment_value,
        cast(count(*) as bigint) as customers_at_start,
        case when relationship = 'contract' then {{ sum_money('mrr_at_start') }} end as mrr_at_start
    from members_by_grain
    group by {{ segment_grouping_sets(['relationship', 'cohort_grain', 'cohort_start'], dimensions) }}
),

-- weekly cohorts are small; they are given for the whole alone
cohorts_kept as (
    select * from cohorts
    where cohort_grain <> 'week' or segment_dimension = 'all'
),

-- a cell exists as soon as its boundary has been reached, whether anyone is left or not
grid as (
    select
        cohorts_kept.*,
        periods.period_start,
        {{ period_index('cohorts_kept.cohort_grain', 'cohorts_kept.cohort_start', 'periods.period_start') }}
            as period_index
    from cohorts_kept
    inner join periods
        on
            cohorts_kept.cohort_grain = periods.period_grain
            and periods.period_start >= cohorts_kept.cohort_start
),

active_members as (
    select
        activity.relationship,
        activity.period_grain as cohort_grain,
        activity.cohort_start,
        activity.period_index,
        {%- for dimension in dimensions %}
        members.{{ dimension }},
        {%- endfor %}
        activity.is_uninterrupted,
        activity.amount,
        activity.amount_gross,
        activity.amount_lowest
    from activity
    inner join members  -- exactly one
        on activity.relationship = members.relationship and activity.account_id = members.account_id
),

cells as (
    select
        relationship,
        cohort_grain,
        cohort_start,
        period_index,
        {{ segment_dimension_of_set(dimensions) }} as segment_dimension,
        {{ segment_value_of_set(dimensions) }} as segment_value,
        cast(count(*) as bigint) as customers_retained,
        {{ count_where('is_uninterrupted') }} as customers_retained_uninterrupted,
        {{ sum_money('amount') }} as amount,
        {{ sum_money('amount_gross') }} as amount_gross,
        {{ sum_money('case when is_uninterrupted then amount_lowest end') }} as amount_uninterrupted
    from active_members
    group by {{ segment_grouping_sets(['relationship', 'cohort_grain', 'cohort_start', 'period_index'], dimensions) }}
),

filled as (
    select
        grid.relationship,
        grid.cohort_grain,
        grid.cohort_start,
        grid.segment_dimension,
        grid.segment_value,
        grid.period_index,
        grid.customers_at_start,
        grid.mrr_at_start,
        grid.relationship = 'contract' as has_mrr,
        coalesce(cells.customers_retained, 0) as customers_retained,
        coalesce(cells.customers_retained_uninterrupted, 0) as customers_retained_uninterrupted,
        coalesce(cells.amount, 0) as amount,
        coalesce(cells.amount_gross, 0) as amount_gross,
        coalesce(cells.amount_uninterrupted, 0) as amount_uninterrupted
    from grid
    left join cells  -- at most one
        on
            grid.relationship = cells.relationship
            and grid.cohort_grain = cells.cohort_grain
            and grid.cohort_start = cells.cohort_start
            and grid.period_index = cells.period_index
            and grid.segment_dimension = cells.segment_dimension
            and grid.segment_value = cells.segment_value
),

-- MRR and purchases never share a cell
separated as (
    select
        relationship,
        cohort_grain,
        cohort_start,
        segment_dimension,
        segment_value,
        period_index,
        customers_at_start,
        customers_retained,
        customers_retained_uninterrupted,
        mrr_at_start,
        cast(case when has_mrr then amount_gross end as decimal(38, 4)) as mrr_retained_gross,
        cast(case when has_mrr then amount end as decimal(38, 4)) as mrr_retained_net,
        cast(case when has_mrr then amount_uninterrupted end as decimal(38, 4)) as mrr_retained_uninterrupted,
        cast(case when not has_mrr then max(case when period_index = 0 then amount end) over (
            partition by relationship, cohort_grain, cohort_start, segment_dimension, segment_value
        ) end as decimal(38, 4)) as value_at_start,
        cast(case when not has_mrr then amount end as decimal(38, 4)) as value_retained
    from filled
),

final as (
    select
        *,
        {{ ratio('customers_retained', 'customers_at_start') }} as logo_retention,
        {{ wilson_low('customers_retained', 'customers_at_start') }} as logo_retention_ci_low,
        {{ wilson_high('customers_retained', 'customers_at_start') }} as logo_retention_ci_high,
        {{ is_small_base('customers_at_start') }} as is_small_base,
        {{ ratio('mrr_retained_gross', 'mrr_at_start') }} as gross_revenue_retention,
        {{ ratio('mrr_retained_net', 'mrr_at_start') }} as net_revenue_retention,
        {{ ratio('value_retained', 'value_at_start') }} as value_retention
    from separated
)

select * from final
