{%- set grains = ['month', 'quarter', 'year'] -%}
with

costs as (
    select distinct month_start from {{ ref('int_cost_months') }}
    where kind = 'retention'
),

activity as (
    select
        account_id,
        month_start
    from {{ ref('int_activity_months') }}
    where relationship = 'contract' and active_days > 0
),

customer_purchases as (
    select * from {{ ref('int_customer_purchases') }}
    where is_without_contract
),

orders as (
    select distinct
        account_id,
        {{ period_start_of('month', 'ordered_on') }} as month_start
    from {{ ref('int_orders') }}
    where ordered_on < {{ as_of_date() }}
),

-- a membership of no days is none
memberships as (
    select
        account_id,
        valid_from,
        coalesce(valid_to, {{ open_end() }}) as valid_to
    from {{ ref('loyalty_memberships') }}
    where valid_from < {{ as_of_date() }} and (valid_to is null or valid_to > valid_from)
),

active_months as (
    select * from activity
    union all
    select
        orders.account_id,
        orders.month_start
    from orders
    inner join customer_purchases on orders.account_id = customer_purchases.account_id  -- exactly one
),

-- only periods that retention has cost anything in
periods as (
    {%- for grain in grains %}
    select distinct
        '{{ grain }}' as period_grain,
        {{ period_start_of(grain, 'month_start') }} as period_start
    from costs
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

bounded as (
    select
        period_grain,
        period_start,
        least({{ add_months('period_start', months_of_grain('period_grain')) }}, {{ as_of_date() }}) as period_end
    from periods
),

active as (
    select distinct
        bounded.period_grain,
        bounded.period_start,
        bounded.period_end,
        active_months.account_id
    from bounded
    inner join active_months
        on active_months.month_start >= bounded.period_start and active_months.month_start < bounded.period_end
),

members as (
    select distinct
        active.period_grain,
        active.period_start,
        active.account_id
    from active
    inner join memberships
        on
            active.account_id = memberships.account_id
            and memberships.valid_from < active.period_end
            and memberships.valid_to > active.period_start
),

periods_with_members as (
    select distinct
        period_grain,
        period_start
    from members
),

final as (
    select
        period_grain,
        period_start,
        account_id,
        'members' as scope
    from members
    union all
    select
        active.period_grain,
        active.period_start,
        active.account_id,
        'customers' as scope
    from active
    left join periods_with_members  -- at most one
        on
            active.period_grain = periods_with_members.period_grain
            and active.period_start = periods_with_members.period_start
    where periods_with_members.period_start is null
)

select * from final
