-- The portfolios add up to those of all managers, which are all customers of account_clv. Where the twelve months are a
-- calendar year, churn and retention are those of churn_by_segment.
with

managers as (
    select
        case when account_manager = 'all' then 'all' else 'each' end as counted,
        sum(customers) as customers,
        sum(active_customers) as active_customers,
        sum(mrr) as mrr,
        sum(contract_customers_12m_ago) as contract_customers_12m_ago,
        sum(customers_churned_12m) as customers_churned_12m,
        sum(mrr_12m_ago) as mrr_12m_ago,
        sum(mrr_retained_net_12m) as mrr_retained_net_12m,
        sum(mrr_retained_gross_12m) as mrr_retained_gross_12m,
        coalesce(sum(residual_clv), 0e0) as residual_clv,
        coalesce(sum(residual_clv_12m_ago), 0e0) as residual_clv_12m_ago,
        coalesce(sum(residual_clv_compared), 0e0) as residual_clv_compared,
        coalesce(sum(clv_change_won), 0e0) as clv_change_won,
        coalesce(sum(clv_change_lost), 0e0) as clv_change_lost,
        coalesce(sum(clv_change_kept + clv_change_moved_in + clv_change_moved_out), 0e0) as clv_change_of_who_stayed
    from {{ ref('clv_by_account_manager') }}
    group by case when account_manager = 'all' then 'all' else 'each' end
),

accounts as (
    select
        count(*) as customers,
        count(case when is_active then 1 end) as active_customers,
        coalesce(sum(mrr), 0) as mrr,
        coalesce(sum(residual_clv), 0e0) as residual_clv
    from {{ ref('account_clv') }}
    where relationship <> 'none'
),

years as (
    select * from {{ ref('churn_by_segment') }}
    where
        period_grain = 'year'
        and segment_dimension = 'all'
        and {{ add_months('period_start', 12) }} = {{ as_of_date() }}
),

broken as (
    select 'managers do not add up' as what
    from managers as each_one
    full outer join managers as whole on whole.counted = 'all' and each_one.counted = 'each'
    where
        (
            each_one.customers = whole.customers
            and each_one.active_customers = whole.active_customers
            and each_one.mrr = whole.mrr
            and each_one.contract_customers_12m_ago = whole.contract_customers_12m_ago
            and each_one.customers_churned_12m = whole.customers_churned_12m
            and each_one.mrr_12m_ago = whole.mrr_12m_ago
            and each_one.mrr_retained_net_12m = whole.mrr_retained_net_12m
            and each_one.mrr_retained_gross_12m = whole.mrr_retained_gross_12m
            and abs(each_one.residual_clv - whole.residual_clv) <= 1e-9 * abs(whole.residual_clv)
            and abs(each_one.residual_clv_12m_ago - whole.residual_clv_12m_ago)
            <= 1e-9 * abs(whole.residual_clv_12m_ago)
            and abs(each_one.residual_clv_compared - whole.residual_clv_compared) <= 1e-9 * abs(whole.residual_clv)
            and abs(each_one.clv_change_won - whole.clv_change_won) <= 1e-9 * abs(whole.clv_change_won)
            and abs(each_one.clv_change_lost - whole.clv_change_lost) <= 1e-9 * abs(whole.clv_change_lost)
            and abs(each_one.clv_change_of_who_stayed - whole.clv_change_of_who_stayed)
            <= 1e-9 * (abs(whole.residual_clv_12m_ago) + abs(whole.residual_clv))
        ) is distinct from true
        and (each_one.counted = 'each' or whole.counted = 'all')
    union all
    select 'not the customers of account_clv' as what
    from accounts
    left join managers on managers.counted = 'all'
    where
        accounts.customers <> coalesce(managers.customers, 0)
        or accounts.active_customers <> coalesce(managers.active_customers, 0)
        or accounts.mrr <> coalesce(managers.mrr, 0)
        or abs(accounts.residual_clv - coalesce(managers.residual_clv, 0e0)) > 1e-9 * abs(accounts.residual_clv)
    union all
    select 'not the year of churn_by_segment' as what
    from years
    left join managers on managers.counted = 'all'
    where
        (
            years.customers_at_start = managers.contract_customers_12m_ago
            and years.customers_churned = managers.customers_churned_12m
            and years.mrr_at_start = managers.mrr_12m_ago
            and years.mrr_at_start - years.mrr_churned - years.mrr_contracted = managers.mrr_retained_gross_12m
            and years.mrr_at_start - years.mrr_churned - years.mrr_contracted + years.mrr_expanded
            = managers.mrr_retained_net_12m
        ) is distinct from true
)

select what from broken
