with

outcomes as (
    select * from {{ ref('int_clv_outcomes') }}
),

grouped as (
    select
        *,
        'all' as grouping_kind,
        'all' as group_value
    from outcomes
    union all
    select
        *,
        'decile' as grouping_kind,
        cast(decile as string) as group_value
    from outcomes
    where is_scored
    union all
    select
        *,
        'repeat_purchases' as grouping_kind,
        case when repeat_purchases >= 7 then '7+' else cast(repeat_purchases as string) end as group_value
    from outcomes
    where is_scored and relationship = 'no_contract'
    union all
    select
        *,
        'period_months' as grouping_kind,
        cast(period_months as string) as group_value
    from outcomes
    where is_scored and relationship = 'contract'
),

counted as (
    select
        as_of_date,
        relationship,
        grouping_kind,
        group_value,
        {{ count_where('is_scored') }} as customers,
        {{ count_where('not is_scored') }} as customers_unscored,
        sum(case when is_scored then predicted_purchases end) as predicted_purchases,
        cast(sum(case when is_scored then actual_purchases end) as bigint) as actual_purchases,
        sum(case when is_scored then predicted_stay end) as predicted_stayed,
        cast(sum(case when is_scored then has_stayed end) as bigint) as actual_stayed,
        sum(case when is_scored then predicted_value end) as predicted_value,
        {{ sum_money('case when is_scored then actual_value end') }} as actual_value
    from grouped
    group by as_of_date, relationship, grouping_kind, group_value
),

final as (
    select
        as_of_date,
        cast({{ days_between('as_of_date', as_of_date()) }} as integer) as window_days,
        relationship,
        grouping_kind,
        group_value,
        customers,
        customers_unscored,
        predicted_purchases,
        actual_purchases,
        predicted_stayed,
        actual_stayed,
        predicted_value,
        actual_value,
        {{ ratio('predicted_value', 'actual_value') }} as predicted_to_actual_value,
        {{ is_small_base('customers') }} as is_small_base
    from counted
)

select * from final
