{%- set can_compare = 12 in var('clv_backtest_months_back') -%}
with

changes as (
    select * from {{ ref('int_portfolio_changes') }}
),

account_clv as (
    select
        account_id,
        is_active
    from {{ ref('account_clv') }}
),

-- for all managers together nobody moves
portfolios as (
    select
        changes.*,
        manager_now as to_manager,
        manager_then as from_manager
    from changes
    union all
    select
        changes.*,
        'all' as to_manager,
        case when manager_then is not null then 'all' end as from_manager
    from changes
),

flows as (
    select
        portfolios.*,
        account_clv.is_active,
        case
            when portfolios.is_customer_then and not portfolios.is_customer_now then 'lost'
            when portfolios.is_customer_now and not portfolios.is_customer_then then 'won'
            when not portfolios.is_customer_now then 'none'
            when portfolios.from_manager = portfolios.to_manager then 'kept'
            else 'moved'
        end as flow
    from portfolios
    inner join account_clv on portfolios.account_id = account_clv.account_id  -- exactly one
),

-- what an account gives to the portfolio it is in now, and to the one it was in a year ago
sides as (
    select
        to_manager as account_manager,
        1 as customers,
        case when is_active then 1 else 0 end as active_customers,
        mrr_now as mrr,
        0 as contract_customers_then,
        0 as contract_customers_lost,
        cast(0 as decimal(38, 4)) as mrr_then,
        cast(0 as decimal(38, 4)) as mrr_retained_net,
        cast(0 as decimal(38, 4)) as mrr_retained_gross,
        residual_clv_now as residual_clv,
        cast(null as double) as clv_then,
        case when is_comparable then residual_clv_now end as clv_now,
        case when is_comparable and flow = 'won' then residual_clv_now end as clv_won,
        cast(null as double) as clv_lost,
        case when is_comparable and flow = 'kept' then residual_clv_now - residual_clv_then end as clv_kept,
        case when is_comparable and flow = 'moved' then residual_clv_now end as clv_moved_in,
        cast(null as double) as clv_moved_out,
        case when not is_comparable and is_customer_now then 1 else 0 end as not_compared
    from flows
    union all
    select
        from_manager as account_manager,
        0 as customers,
        0 as active_customers,
        cast(0 as decimal(38, 4)) as mrr,
        case when relationship = 'contract' then 1 else 0 end as contract_customers_then,
        case when relationship = 'contract' and not is_customer_now then 1 else 0 end as contract_customers_lost,
        mrr_then,
        mrr_now_at_rate_then as mrr_retained_net,
        least(mrr_now_at_rate_then, mrr_then) as mrr_retained_gross,
        cast(null as double) as residual_clv,
        case when is_comparable then residual_clv_then end as clv_then,
        cast(null as double) as clv_now,
        cast(null as double) as clv_won,
        case when is_comparable and flow = 'lost' then -residual_clv_then end as clv_lost,
        cast(null as double) as clv_kept,
        cast(null as double) as clv_moved_in,
        case when is_comparable and flow = 'moved' then -residual_clv_then end as clv_moved_out,
        -- counted once in the portfolio it is in now, unless it has left or moved
        case when not is_comparable and flow in ('lost', 'moved') then 1 else 0 end as not_compared
    from flows
    where is_customer_then
),

summed as (
    select
        account_manager,
        cast(sum(customers) as bigint) as customers,
        cast(sum(active_customers) as bigint) as active_customers,
        {{ sum_money('mrr') }} as mrr,
        cast(sum(contract_customers_then) as bigint) as contract_customers_12m_ago,
        cast(sum(contract_customers_lost) as bigint) as customers_churned_12m,
        {{ sum_money('mrr_then') }} as mrr_12m_ago,
        {{ sum_money('mrr_retained_net') }} as mrr_retained_net_12m,
        {{ sum_money('mrr_retained_gross') }} as mrr_retained_gross_12m,
        sum(residual_clv) as residual_clv,
        coalesce(sum(clv_then), 0e0) as clv_then,
        coalesce(sum(clv_now), 0e0) as clv_now,
        coalesce(sum(clv_won), 0e0) as clv_won,
        coalesce(sum(clv_lost), 0e0) as clv_lost,
        coalesce(sum(clv_kept), 0e0) as clv_kept,
        coalesce(sum(clv_moved_in), 0e0) as clv_moved_in,
        coalesce(sum(clv_moved_out), 0e0) as clv_moved_out,
        cast(sum(not_compared) as bigint) as not_compared
    from sides
    group by account_manager
),

final as (
    select
        account_manager,
        customers,
        active_customers,
        mrr,
        contract_customers_12m_ago,
        customers_churned_12m,
        {{ customer_churn_rate('customers_churned_12m', 'contract_customers_12m_ago') }} as churn_rate_12m,
        {{ wilson_low('customers_churned_12m', 'contract_customers_12m_ago') }} as ci_low,
        {{ wilson_high('customers_churned_12m', 'contract_customers_12m_ago') }} as ci_high,
        {{ is_small_base('contract_customers_12m_ago') }} as is_small_base,
        mrr_12m_ago,
        mrr_retained_net_12m,
        mrr_retained_gross_12m,
        {{ nrr('mrr_retained_net_12m', 'mrr_12m_ago') }} as nrr_12m,
        {{ grr('mrr_retained_gross_12m', 'mrr_12m_ago') }} as grr_12m,
        residual_clv,
        {%- for name, column in {
            'residual_clv_12m_ago': 'clv_then', 'residual_clv_compared': 'clv_now', 'clv_change': 'clv_now - clv_then',
            'clv_change_won': 'clv_won', 'clv_change_lost': 'clv_lost', 'clv_change_kept': 'clv_kept',
            'clv_change_moved_in': 'clv_moved_in', 'clv_change_moved_out': 'clv_moved_out',
        }.items() %}
        {{ column if can_compare else 'cast(null as double)' }} as {{ name }},
        {%- endfor %}
        {{ 'not_compared' if can_compare else 'cast(null as bigint)' }} as customers_not_compared
    from summed
)

select * from final
