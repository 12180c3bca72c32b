{%- set dimensions = segment_dimensions() -%}
{%- set grains = ['month', 'quarter', 'year'] -%}
with

members as (
    select * from {{ ref('int_cohort_members') }}
    where relationship = 'no_contract'
),

purchases as (
    select * from {{ ref('int_customer_purchases') }}
),

intervals as (
    select * from {{ ref('int_purchase_intervals') }}
),

reactivations as (
    select
        account_id,
        bool_or(is_reactivation) as has_reactivated
    from intervals
    group by account_id
),

buyers as (
    select
        members.*,
        purchases.repeat_purchases,
        purchases.purchase_days,
        coalesce(reactivations.has_reactivated, false) as has_reactivated,
        coalesce(reactivations.has_reactivated, false)
        or {{ add_months('purchases.last_purchase_on', 12) }} <= {{ as_of_date() }} as was_dormant
    from members
    inner join purchases on members.account_id = purchases.account_id  -- exactly one
    left join reactivations on members.account_id = reactivations.account_id  -- at most one
),

-- a buyer counts once for the whole, once per segment and once per cohort of each grain
groups as (
    select
        account_id,
        'all' as cohort_grain,
        cast(null as date) as cohort_start,
        'all' as segment_dimension,
        'all' as segment_value
    from buyers
    {%- for dimension in dimensions %}
    union all
    select
        account_id,
        'all' as cohort_grain,
        cast(null as date) as cohort_start,
        '{{ dimension }}' as segment_dimension,
        {{ dimension }} as segment_value
    from buyers
    {%- endfor %}
    {%- for grain in grains %}
    union all
    select
        account_id,
        '{{ grain }}' as cohort_grain,
        {{ period_start_of(grain, 'first_day') }} as cohort_start,
        'all' as segment_dimension,
        'all' as segment_value
    from buyers
    {%- endfor %}
),

counted as (
    select
        groups.cohort_grain,
        groups.cohort_start,
        groups.segment_dimension,
        groups.segment_value,
        cast(count(*) as bigint) as buyers,
        cast(sum(buyers.purchase_days) as bigint) as purchases,
        {{ count_where('buyers.repeat_purchases > 0') }} as repeat_buyers,
        {{ count_where('buyers.was_dormant') }} as dormant_12_months,
        {{ count_where('buyers.has_reactivated') }} as reactivated_after_12_months
    from groups
    inner join buyers on groups.account_id = buyers.account_id  -- exactly one
    group by groups.cohort_grain, groups.cohort_start, groups.segment_dimension, groups.segment_value
),

medians as (
    select
        groups.cohort_grain,
        groups.cohort_start,
        groups.segment_dimension,
        groups.segment_value,
        cast(median(intervals.interval_days) as double) as median_interval_days
    from groups
    inner join intervals on groups.account_id = intervals.account_id
    group by groups.cohort_grain, groups.cohort_start, groups.segment_dimension, groups.segment_value
),

final as (
    select
        counted.cohort_grain,
        counted.cohort_start,
        counted.segment_dimension,
        counted.segment_value,
        counted.buyers,
        counted.repeat_buyers,
        {{ ratio('counted.repeat_buyers', 'counted.buyers') }} as repeat_rate,
        {{ wilson_low('counted.repeat_buyers', 'counted.buyers') }} as ci_low,
        {{ wilson_high('counted.repeat_buyers', 'counted.buyers') }} as ci_high,
        {{ is_small_base('counted.buyers') }} as is_small_base,
        counted.purchases,
        medians.median_interval_days,
        counted.dormant_12_months,
        counted.reactivated_after_12_months,
        {{ ratio('counted.reactivated_after_12_months', 'counted.dormant_12_months') }} as reactivation_rate
    from counted
    left join medians  -- at most one
        on
            counted.cohort_grain = medians.cohort_grain
            and counted.segment_dimension = medians.segment_dimension
            and counted.segment_value = medians.segment_value
            and counted.cohort_start is not distinct from medians.cohort_start
)

select * from final
