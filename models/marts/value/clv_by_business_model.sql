{%- set dimensions = ['business_model'] -%}
{%- set top_tier = var('value_tiers') | first -%}
with

account_clv as (
    select * from {{ ref('account_clv') }}
),

latest_segments as (
    select * from {{ ref('int_account_latest_segments') }}
),

purchases as (
    select * from {{ ref('int_customer_purchases') }}
    where is_without_contract
),

customers as (
    select
        latest_segments.business_model,
        account_clv.relationship,
        account_clv.is_active,
        account_clv.tenure_months,
        account_clv.historic_revenue - account_clv.historic_refunds as net_revenue,
        coalesce(account_clv.cost_to_serve, 0) + coalesce(account_clv.retention_cost, 0) as cost_to_keep,
        account_clv.gross_margin,
        account_clv.mrr,
        account_clv.period_months,
        account_clv.historic_clv,
        account_clv.predictive_clv_12m,
        account_clv.residual_clv,
        account_clv.total_clv,
        account_clv.value_tier,
        account_clv.acquisition_cost,
        account_clv.payback_month,
        purchases.purchase_days,
        purchases.repeat_purchases,
        purchases.value_net,
        cast(purchases.age_days as double) / 365.25e0 as years_as_buyer
    from account_clv
    inner join latest_segments on account_clv.account_id = latest_segments.account_id  -- exactly one for customers
    left join purchases on account_clv.account_id = purchases.account_id  -- at most one
),

counted_twice as (
    {{ with_all_relationships('customers') }}
),

counted as (
    select
        {{ segment_value_of_set(dimensions) }} as business_model,
        {{ segment_dimension_of_set(dimensions) }} = 'all' as is_whole,
        counted_as as relationship,
        cast(count(*) as bigint) as customers,
        {{ count_where('is_active') }} as active_customers,
        {{ count_where('total_clv is not null') }} as valued_customers,
        {{ count_where('mrr is not null') }} as contracts_running,
        {{ count_where('purchase_days is not null') }} as buyers,
        {{ count_where('repeat_purchases > 0') }} as repeat_buyers,
        {{ count_where('acquisition_cost is not null') }} as customers_with_acquisition_cost,
        {{ count_where('payback_month is not null') }} as customers_paid_back,
        cast(sum(tenure_months) as double) as tenure_months,
        {{ sum_money('net_revenue') }} as net_revenue,
        {{ sum_money('cost_to_keep') }} as cost_to_keep,
        sum(gross_margin) as gross_margin,
        {{ sum_money('mrr') }} as mrr,
        sum(12e0 / period_months) as renewal_periods,
        cast(sum(purchase_days) as bigint) as purchase_days,
        cast(sum(repeat_purchases) as bigint) as repeat_purchases,
        cast(sum(value_net) as decimal(38, 4)) as purchase_value,
        sum(years_as_buyer) as years_as_buyer,
        {{ sum_money('historic_clv') }} as historic_clv,
        sum(predictive_clv_12m) as predictive_clv_12m,
        sum(residual_clv) as residual_clv,
        sum(total_clv) as total_clv,
        median(total_clv) as total_clv_median,
        sum(case when value_tier = '{{ top_tier }}' then total_clv end) as top_tier_clv,
        cast(sum(acquisition_cost) as decimal(38, 4)) as acquisition_cost,
        median(payback_month) as payback_month_median,
        sum(case when acquisition_cost is not null then total_clv end) as total_clv_with_cost,
        sum(case when total_clv is not null then acquisition_cost end) as acquisition_cost_with_clv
    from counted_twice
    group by {{ segment_grouping_sets(['counted_as'], dimensions) }}
),

against_whole as (
    select
        *,
        max(case when is_whole then total_clv end) over (partition by relationship) as whole_total_clv
    from counted
),

final as (
    select
        business_model,
        relationship,
        customers,
        active_customers,
        valued_customers,
        {{ ratio('tenure_months', 'customers') }} as tenure_months_mean,
        {{ money_per_head('net_revenue', 'customers') }} as revenue_per_customer,
        {{ ratio('cost_to_keep', 'net_revenue') }} as cost_to_keep_share,
        {{ ratio('gross_margin', 'customers') }} as gross_margin_mean,
        {{ money_per_head('mrr', 'contracts_running') }} as mrr_per_running_contract,
        {{ ratio('renewal_periods', 'contracts_running') }} as renewals_per_year_mean,
        {{ ratio('repeat_buyers', 'buyers') }} as repeat_buyer_share,
        {{ ratio('repeat_purchases', 'years_as_buyer') }} as repeat_purchases_per_year,
        {{ money_per_head('purchase_value', 'purchase_days') }} as value_per_purchase,
        {{ money_per_head('historic_clv', 'customers') }} as historic_clv_mean,
        {{ ratio('predictive_clv_12m', 'valued_customers') }} as predictive_clv_12m_mean,
        {{ ratio('residual_clv', 'valued_customers') }} as residual_clv_mean,
        {{ ratio('total_clv', 'valued_customers') }} as total_clv_mean,
        total_clv_median,
        total_clv,
        {{ ratio('total_clv', 'whole_total_clv') }} as share_of_total_clv,
        {{ ratio('coalesce(top_tier_clv, 0e0)', 'total_clv') }} as top_tier_share_of_clv,
        customers_with_acquisition_cost,
        {{ money_per_head('acquisition_cost', 'customers_with_acquisition_cost') }} as acquisition_cost_mean,
        {{ ratio('total_clv_with_cost', 'acquisition_cost_with_clv') }} as clv_to_cac,
        customers_paid_back,
        cast(payback_month_median as double) as payback_month_median,
        {{ is_small_base('customers') }} as is_small_base
    from against_whole
)

select * from final
