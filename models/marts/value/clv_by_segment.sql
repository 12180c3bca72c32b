{%- set dimensions = segment_dimensions() + ['value_tier'] -%}
{%- set top_tier = var('value_tiers') | first -%}
with

account_clv as (
    select * from {{ ref('account_clv') }}
),

latest_segments as (
    select * from {{ ref('int_account_latest_segments') }}
),

customers as (
    select
        {%- for dimension in segment_dimensions() %}
        latest_segments.{{ dimension }},
        {%- endfor %}
        account_clv.value_tier,
        account_clv.relationship,
        account_clv.is_active,
        account_clv.historic_clv,
        account_clv.predictive_clv_12m,
        account_clv.residual_clv,
        account_clv.residual_clv_low,
        account_clv.residual_clv_high,
        account_clv.total_clv,
        account_clv.acquisition_cost
    from account_clv
    inner join latest_segments on account_clv.account_id = latest_segments.account_id  -- exactly one for customers
),

counted_twice as (
    {{ with_all_relationships('customers') }}
),

counted as (
    select
        counted_as as relationship,
        {{ segment_dimension_of_set(dimensions) }} as segment_dimension,
        {{ segment_value_of_set(dimensions) }} as segment_value,
        cast(count(*) as bigint) as customers,
        {{ count_where('is_active') }} as active_customers,
        {{ count_where('total_clv is not null') }} as valued_customers,
        {{ count_where("value_tier = '" ~ top_tier ~ "'") }} as top_tier_customers,
        {{ sum_money('historic_clv') }} as historic_clv,
        sum(predictive_clv_12m) as predictive_clv_12m,
        sum(residual_clv) as residual_clv,
        sum(residual_clv_low) as residual_clv_low,
        sum(residual_clv_high) as residual_clv_high,
        sum(total_clv) as total_clv,
        median(total_clv) as total_clv_median,
        {{ count_where('acquisition_cost is not null') }} as customers_with_acquisition_cost,
        cast(sum(acquisition_cost) as decimal(38, 4)) as acquisition_cost,
        sum(case when acquisition_cost is not null then total_clv end) as total_clv_with_cost,
        sum(case when total_clv is not null then acquisition_cost end) as acquisition_cost_with_clv
    from counted_twice
    group by {{ segment_grouping_sets(['counted_as'], dimensions) }}
),

-- the whole of the same relationship
against_whole as (
    select
        *,
        max(case when segment_dimension = 'all' then total_clv end) over (partition by relationship) as whole_total_clv
    from counted
),

final as (
    select
        segment_dimension,
        segment_value,
        relationship,
        customers,
        active_customers,
        valued_customers,
        top_tier_customers,
        historic_clv,
        predictive_clv_12m,
        residual_clv,
        residual_clv_low,
        residual_clv_high,
        total_clv,
        {{ ratio('total_clv', 'valued_customers') }} as total_clv_mean,
        total_clv_median,
        {{ ratio('total_clv', 'whole_total_clv') }} as share_of_total_clv,
        customers_with_acquisition_cost,
        acquisition_cost,
        {{ ratio('total_clv_with_cost', 'acquisition_cost_with_clv') }} as clv_to_cac,
        {{ is_small_base('customers') }} as is_small_base
    from against_whole
)

select * from final
