with

account_months as (
    select * from {{ ref('int_account_periods') }}
    where period_grain = 'month'
),

restatements as (
    select * from {{ ref('int_mrr_restatements') }}
),

counted as (
    select
        period_start as month_start,
        is_complete,
        {{ count_where('is_active_start') }} as customers_start,
        {{ count_where("movement = 'new'") }} as customers_new,
        {{ count_where("movement = 'churn'") }} as customers_churned,
        {{ count_where("movement = 'reactivation'") }} as customers_reactivated,
        {{ count_where('is_active_end') }} as customers_end,
        {{ count_where('joined_and_left') }} as customers_joined_and_left,
        {{ count_where('left_and_returned') }} as customers_left_and_returned,
        {{ sum_money('mrr_start') }} as mrr_start,
        {{ sum_money("case when movement = 'new' then mrr_commercial_change end") }} as mrr_new,
        {{ sum_money("case when movement = 'expansion' then mrr_commercial_change end") }} as mrr_expansion,
        {{ sum_money("case when movement = 'reactivation' then mrr_commercial_change end") }} as mrr_reactivation,
        {{ sum_money("case when movement = 'contraction' then -mrr_commercial_change end") }} as mrr_contraction,
        {{ sum_money("case when movement = 'churn' then -mrr_commercial_change end") }} as mrr_churn,
        {{ sum_money('mrr_fx_change') }} as mrr_fx,
        {{ sum_money('mrr_end') }} as mrr_end,
        {{ sum_money('mrr_churned') }} as mrr_churned_at_start_rate,
        {{ sum_money('mrr_contracted') }} as mrr_contracted_at_start_rate,
        {{ sum_money('mrr_expanded') }} as mrr_expanded_at_start_rate
    from account_months
    group by period_start, is_complete
),

retained as (
    select
        *,
        {{ mrr_retained_gross('mrr_start', 'mrr_churned_at_start_rate', 'mrr_contracted_at_start_rate') }}
            as mrr_retained_gross,
        {{ mrr_retained_net(
            'mrr_start', 'mrr_churned_at_start_rate', 'mrr_contracted_at_start_rate', 'mrr_expanded_at_start_rate'
        ) }} as mrr_retained_net
    from counted
),

rated as (
    select
        *,
        cast(12 * mrr_end as decimal(38, 4)) as arr_end,
        {{ ratio('mrr_end', 'customers_end') }} as arpa_end,
        {{ customer_churn_rate('customers_churned', 'customers_start') }} as customer_churn_rate,
        {{ nrr('mrr_retained_net', 'mrr_start') }} as nrr,
        {{ grr('mrr_retained_gross', 'mrr_start') }} as grr,
        {{ gross_revenue_churn_rate('mrr_churned_at_start_rate', 'mrr_contracted_at_start_rate', 'mrr_start') }}
            as gross_revenue_churn_rate,
        {{ net_revenue_churn_rate(
            'mrr_churned_at_start_rate', 'mrr_contracted_at_start_rate', 'mrr_expanded_at_start_rate', 'mrr_reactivation',
            'mrr_start'
        ) }} as net_revenue_churn_rate,
        {{ quick_ratio('mrr_new', 'mrr_expansion', 'mrr_reactivation', 'mrr_contraction', 'mrr_churn') }} as quick_ratio
    from retained
),

final as (
    select
        rated.month_start,
        rated.is_complete,
        rated.customers_start,
        rated.customers_new,
        rated.customers_churned,
        rated.customers_reactivated,
        rated.customers_end,
        rated.customers_joined_and_left,
        rated.customers_left_and_returned,
        rated.mrr_start,
        rated.mrr_new,
        rated.mrr_expansion,
        rated.mrr_reactivation,
        rated.mrr_contraction,
        rated.mrr_churn,
        rated.mrr_fx,
        rated.mrr_end,
        rated.mrr_retained_net,
        rated.mrr_retained_gross,
        rated.arr_end,
        rated.arpa_end,
        rated.customer_churn_rate,
        {{ wilson_low('rated.customers_churned', 'rated.customers_start') }} as customer_churn_ci_low,
        {{ wilson_high('rated.customers_churned', 'rated.customers_start') }} as customer_churn_ci_high,
        {{ is_small_base('rated.customers_start') }} as is_small_base,
        rated.gross_revenue_churn_rate,
        rated.net_revenue_churn_rate,
        rated.nrr,
        rated.grr,
        rated.quick_ratio,
        {{ annualised_rate('rated.customer_churn_rate') }} as annualised_churn_rate,
        {{ new_customers_needed(
            var('growth_goal_monthly') ~ 'e0', 'rated.customer_churn_rate', 'rated.customers_start'
        ) }} as new_customers_needed_for_growth,
        restatements.restated_at
    from rated
    left join restatements on rated.month_start = restatements.month_start  -- at most one
)

select * from final
