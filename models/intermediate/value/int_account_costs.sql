with

costs as (
    select * from {{ ref('int_cost_months') }}
    where kind in ('service', 'retention')
),

activity as (
    select * from {{ ref('int_activity_months') }}
),

scope as (
    select * from {{ ref('int_retention_scope') }}
    where period_grain = 'month'
),

direct as (
    select
        account_id,
        month_start,
        kind,
        {{ sum_money('cost') }} as cost
    from costs
    where account_id is not null
    group by account_id, month_start, kind
),

pools as (
    select
        month_start,
        kind,
        {{ sum_money('cost') }} as cost
    from costs
    where account_id is null
    group by month_start, kind
),

ticket_months as (
    select distinct month_start from activity
    where tickets > 0
),

-- service goes by tickets, where nobody opened one by active days; retention by active days of who is in its scope
weights as (
    select
        'service' as kind,
        activity.account_id,
        activity.month_start,
        case when ticket_months.month_start is not null then activity.tickets else activity.active_days end as weight
    from activity
    left join ticket_months on activity.month_start = ticket_months.month_start  -- at most one
    union all
    select
        'retention' as kind,
        activity.account_id,
        activity.month_start,
        activity.active_days as weight
    from activity
    inner join scope  -- at most one
        on activity.account_id = scope.account_id and activity.month_start = scope.period_start
),

weight_totals as (
    select
        kind,
        month_start,
        cast(sum(weight) as bigint) as weight_total
    from weights
    group by kind, month_start
),

weighted as (
    select
        weights.account_id,
        weights.month_start,
        weights.kind,
        weights.weight,
        pools.cost as pool,
        cast(sum(weights.weight) over (
            partition by weights.kind, weights.month_start
            order by weights.account_id
            rows between unbounded preceding and current row
        ) as bigint) as weight_to,
        weight_totals.weight_total
    from weights
    inner join pools on weights.kind = pools.kind and weights.month_start = pools.month_start  -- at most one
    inner join weight_totals  -- exactly one
        on weights.kind = weight_totals.kind and weights.month_start = weight_totals.month_start
    where weights.weight > 0
),

shared as (
    select
        account_id,
        month_start,
        kind,
        {{ part_of_money('pool', 'weight_to - weight', 'weight_to', 'weight_total') }} as cost
    from weighted
),

parts as (
    select * from direct
    union all
    select * from shared
),

final as (
    select
        account_id,
        month_start,
        {{ sum_money("case when kind = 'service' then cost end") }} as cost_to_serve,
        {{ sum_money("case when kind = 'retention' then cost end") }} as retention_cost
    from parts
    group by account_id, month_start
)

select * from final
