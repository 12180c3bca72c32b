{%- set dimensions = segment_dimensions() -%}
with

churn_values as (
    select * from {{ ref('int_churn_values') }}
),

account_periods as (
    select * from {{ ref('int_account_periods') }}
),

lost as (
    select
        {%- for dimension in dimensions %}
        account_periods.{{ dimension }},
        {%- endfor %}
        churn_values.*
    from churn_values
    inner join account_periods  -- exactly one
        on
            churn_values.period_grain = account_periods.period_grain
            and churn_values.period_start = account_periods.period_start
            and churn_values.account_id = account_periods.account_id
),

counted as (
    select
        period_grain,
        period_start,
        is_complete,
        {{ segment_dimension_of_set(dimensions) }} as segment_dimension,
        {{ segment_value_of_set(dimensions) }} as segment_value,
        cast(count(*) as bigint) as customers_churned,
        {{ count_where('has_returned') }} as customers_returned,
        {{ sum_money('mrr_churned') }} as mrr_churned,
        sum(residual_value_lost) as residual_value_lost,
        sum(case when has_returned then residual_value_lost end) as residual_value_returned,
        {{ count_where('residual_value_lost is null') }} as value_unknown_customers,
        cast(sum(unrecovered_acquisition_cost) as decimal(38, 4)) as unrecovered_acquisition_cost,
        {{ count_where('unrecovered_acquisition_cost > 0') }} as unrecovered_customers,
        {{ count_where('unrecovered_acquisition_cost is null') }} as acquisition_cost_unknown_customers
    from lost
    group by {{ segment_grouping_sets(['period_grain', 'period_start', 'is_complete'], dimensions) }}
),

final as (
    select
        period_grain,
        period_start,
        segment_dimension,
        segment_value,
        is_complete,
        customers_churned,
        customers_returned,
        mrr_churned,
        residual_value_lost,
        {{ ratio('residual_value_lost', '(customers_churned - value_unknown_customers)') }} as residual_value_lost_mean,
        case when residual_value_lost is not null then coalesce(residual_value_returned, 0e0) end
            as residual_value_returned,
        value_unknown_customers,
        unrecovered_acquisition_cost,
        unrecovered_customers,
        acquisition_cost_unknown_customers
    from counted
)

select * from final
