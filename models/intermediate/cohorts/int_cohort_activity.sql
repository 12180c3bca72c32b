{%- set grains = ['week', 'month', 'quarter', 'year'] -%}
with

members as (
    select * from {{ ref('int_cohort_members') }}
),

account_periods as (
    select * from {{ ref('int_account_periods') }}
    where is_active_end and is_complete
),

account_weeks as (
    select * from {{ ref('int_account_weeks') }}
),

periods as (
    select * from {{ ref('int_periods') }}
    where is_complete
),

orders as (
    select * from {{ ref('int_orders') }}
),

-- a contract customer is active in a period by the state at the boundary that ends it
contract_active as (
    select
        'contract' as relationship,
        period_grain,
        period_start,
        account_id,
        mrr_end_at_first_rate as amount
    from account_periods
    union all
    select
        'contract' as relationship,
        'week' as period_grain,
        period_start,
        account_id,
        mrr_end_at_first_rate as amount
    from account_weeks
),

-- a customer without contract is active in a period he bought in
no_contract_active as (
    select
        'no_contract' as relationship,
        periods.period_grain,
        periods.period_start,
        orders.account_id,
        {{ sum_money('orders.value_net') }} as amount
    from orders
    inner join periods on orders.ordered_on >= periods.period_start and orders.ordered_on < periods.next_period_start
    group by periods.period_grain, periods.period_start, orders.account_id
),

active as (
    select * from contract_active
    union all
    select * from no_contract_active
),

placed as (
    select
        active.*,
        members.mrr_at_start,
        case active.period_grain
            {%- for grain in grains %}
            when '{{ grain }}' then {{ period_start_of(grain, 'members.first_day') }}
            {%- endfor %}
        end as cohort_start
    from active
    inner join members  -- exactly one, or none for orders of contract customers
        on active.relationship = members.relationship and active.account_id = members.account_id
),

indexed as (
    select
        *,
        {{ period_index('period_grain', 'cohort_start', 'period_start') }} as period_index
    from placed
    where period_start >= cohort_start
),

-- never absent up to index k: as many active periods as k counts from 0
running as (
    select
        *,
        row_number() over (partition by relationship, period_grain, account_id order by period_start) = period_index + 1
            as is_uninterrupted,
        min(amount) over (
            partition by relationship, period_grain, account_id
            order by period_start
            rows between unbounded preceding and current row
        ) as lowest_amount
    from indexed
),

final as (
    select
        relationship,
        period_grain,
        account_id,
        period_start,
        cohort_start,
        period_index,
        is_uninterrupted,
        amount,
        case when relationship = 'contract' then least(amount, mrr_at_start) end as amount_gross,
        case when relationship = 'contract' then least(lowest_amount, mrr_at_start) end as amount_lowest
    from running
)

select * from final
