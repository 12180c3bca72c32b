-- What accounts are given and what nobody could be given is what was spent, month by month and kind by kind; and the
-- months of a cost whose period is over are the cost.
with

costs as (
    select * from {{ ref('costs') }}
    where period_start < {{ as_of_date() }}
),

cost_months as (
    select * from {{ ref('int_cost_months') }}
    where kind in ('service', 'retention')
),

activity as (
    select
        month_start,
        sum(active_days) as active_days,
        sum(tickets) as tickets
    from {{ ref('int_activity_months') }}
    group by month_start
),

scope as (
    select distinct period_start as month_start
    from {{ ref('int_retention_scope') }}
    where period_grain = 'month'
),

spent as (
    select
        month_start,
        kind,
        sum(case when account_id is not null then cost else 0 end) as cost_direct,
        sum(case when account_id is null then cost else 0 end) as cost_shared
    from cost_months
    group by month_start, kind
),

given as (
    select
        month_start,
        'service' as kind,
        sum(cost_to_serve) as cost
    from {{ ref('int_account_costs') }}
    group by month_start
    union all
    select
        month_start,
        'retention' as kind,
        sum(retention_cost) as cost
    from {{ ref('int_account_costs') }}
    group by month_start
),

-- nobody can be given a share in a month without tickets and active days, or without customers in scope
expected as (
    select
        spent.month_start,
        spent.kind,
        case
            when spent.kind = 'service' and coalesce(activity.active_days, 0) = 0 and coalesce(activity.tickets, 0) = 0
                then spent.cost_direct
            when spent.kind = 'retention' and scope.month_start is null then spent.cost_direct
            else spent.cost_direct + spent.cost_shared
        end as cost
    from spent
    left join activity on spent.month_start = activity.month_start
    left join scope on spent.month_start = scope.month_start
),

by_account as (
    select
        'account' as what,
        coalesce(expected.month_start, given.month_start) as month_start,
        coalesce(expected.kind, given.kind) as subject,
        expected.cost as expected_cost,
        given.cost
    from expected
    full outer join given on expected.month_start = given.month_start and expected.kind = given.kind
    where coalesce(expected.cost, 0) <> coalesce(given.cost, 0)
),

spread as (
    select
        cost_id,
        min(month_start) as month_start,
        sum(cost) as cost
    from {{ ref('int_cost_months') }}
    group by cost_id
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

by_cost as (
    select
        'cost' as what,
        spread.month_start,
        costs.cost_id as subject,
        {{ convert_money('costs.amount', 'coalesce(fx_rates.rate, 1)') }} as expected_cost,
        spread.cost
    from costs
    left join spread on costs.cost_id = spread.cost_id
    left join fx_rates
        on
            costs.currency = fx_rates.currency
            and costs.period_start = fx_rates.rate_for
            and costs.currency <> '{{ var("reporting_currency") }}'
    where
        costs.period_end <= {{ as_of_date() }}
        and spread.cost is distinct from {{ convert_money('costs.amount', 'coalesce(fx_rates.rate, 1)') }}
)

select * from by_account
union all
select * from by_cost
