{%- set grains = ['month', 'quarter', 'year'] -%}
{%- set offer_kinds = var('retention_offer_kinds') -%}
with

costs as (
    select * from {{ ref('int_cost_months') }}
    where kind = 'retention'
),

scope as (
    select * from {{ ref('int_retention_scope') }}
),

offers as (
    select
        account_id,
        amount,
        {{ local_day('decided_at') }} as decided_on
    from {{ ref('offers') }}
    where
        is_accepted
        and {{ local_day('decided_at') }} < {{ as_of_date() }}
        and {% if offer_kinds %}kind in ('{{ offer_kinds | join("', '") }}'){% else %}false{% endif %}
),

accounts as (
    select
        account_id,
        coalesce(currency, '{{ var("reporting_currency") }}') as currency
    from {{ ref('accounts') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

account_clv as (
    select
        account_id,
        total_clv
    from {{ ref('account_clv') }}
),

offer_values as (
    select
        {{ period_start_of('month', 'offers.decided_on') }} as month_start,
        {{ convert_money(
            'offers.amount', required_rate('accounts.currency', 'offers.decided_on', 'fx_rates.rate')
        ) }} as revenue_caused
    from offers
    inner join accounts on offers.account_id = accounts.account_id  -- exactly one
    left join fx_rates  -- at most one
        on accounts.currency = fx_rates.currency and offers.decided_on = fx_rates.rate_for
    where offers.amount <> 0
),

-- what is booked with a negative amount is revenue the programme has caused
booked as (
    select
        month_start,
        category,
        {{ sum_money('case when cost > 0 then cost end') }} as cost,
        {{ sum_money('case when cost < 0 then -cost end') }} as revenue_caused
    from costs
    group by month_start, category
),

offer_months as (
    select
        month_start,
        {{ sum_money('revenue_caused') }} as revenue_caused
    from offer_values
    group by month_start
),

parts as (
    select * from booked
    union all
    select
        month_start,
        'all' as category,
        cost,
        revenue_caused
    from booked
    union all
    select
        month_start,
        'all' as category,
        cast(0 as decimal(38, 4)) as cost,
        revenue_caused
    from offer_months
),

by_period as (
    {%- for grain in grains %}
    select
        '{{ grain }}' as period_grain,
        {{ period_start_of(grain, 'month_start') }} as period_start,
        category,
        {{ sum_money('cost') }} as cost,
        {{ sum_money('revenue_caused') }} as revenue_caused
    from parts
    group by {{ period_start_of(grain, 'month_start') }}, category
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- a period the programme has cost nothing in has no row, whatever offers were accepted in it
periods as (
    {{ periods_of_months('costs', grains) }}
),

active as (
    select
        scope.period_grain,
        scope.period_start,
        min(scope.scope) as scope,
        cast(count(*) as bigint) as customers_active,
        sum(account_clv.total_clv) as clv_in_scope
    from scope
    left join account_clv on scope.account_id = account_clv.account_id  -- exactly one
    group by scope.period_grain, scope.period_start
),

netted as (
    select
        by_period.period_grain,
        by_period.period_start,
        by_period.category,
        active.scope,
        coalesce(active.customers_active, 0) as customers_active,
        active.clv_in_scope,
        by_period.cost,
        by_period.revenue_caused,
        cast(by_period.cost - by_period.revenue_caused as decimal(38, 4)) as net_cost
    from by_period
    inner join periods  -- at most one
        on by_period.period_grain = periods.period_grain and by_period.period_start = periods.period_start
    left join active  -- at most one
        on by_period.period_grain = active.period_grain and by_period.period_start = active.period_start
),

final as (
    select
        period_grain,
        period_start,
        category,
        {{ add_months('period_start', months_of_grain('period_grain')) }} <= {{ as_of_date() }} as is_complete,
        scope,
        customers_active,
        cost,
        {{ money_per_head('cost', 'customers_active') }} as cost_per_active_customer,
        revenue_caused,
        net_cost,
        {{ money_per_head('net_cost', 'customers_active') }} as net_cost_per_active_customer,
        clv_in_scope,
        -- a share of what is not worth anything says nothing
        case when clv_in_scope > 0e0 then {{ ratio('cost', 'clv_in_scope') }} end as share_of_clv
    from netted
)

select * from final
