{%- set grain = chosen('acquisition_cost_grain', ['month', 'quarter', 'year']) -%}
with

spells as (
    select * from {{ ref('int_account_spells') }}
),

customer_purchases as (
    select * from {{ ref('int_customer_purchases') }}
    where is_without_contract
),

accounts as (
    select * from {{ ref('accounts') }}
),

costs as (
    select
        *,
        {{ period_start_of(grain, 'month_start') }} as period_start
    from {{ ref('int_cost_months') }}
    where kind = 'acquisition'
),

value_months as (
    select * from {{ ref('int_account_value_months') }}
),

customers as (
    select
        account_id,
        'contract' as relationship,
        min(spell_start) as won_on
    from spells
    group by account_id
    union all
    select
        account_id,
        'no_contract' as relationship,
        first_purchase_on as won_on
    from customer_purchases
),

won as (
    select
        customers.account_id,
        customers.relationship,
        customers.won_on,
        coalesce(accounts.acquisition_channel, 'unknown') as acquisition_channel,
        {{ period_start_of(grain, 'customers.won_on') }} as period_start
    from customers
    inner join accounts on customers.account_id = accounts.account_id  -- exactly one
),

-- equal shares are handed out in the order of the accounts, so that they add up to what was spent
ranked as (
    select
        *,
        row_number() over (partition by period_start, acquisition_channel order by account_id) as rank_in_channel,
        count(*) over (partition by period_start, acquisition_channel) as won_in_channel,
        row_number() over (partition by period_start order by account_id) as rank_in_period,
        count(*) over (partition by period_start) as won_in_period
    from won
),

direct_costs as (
    select
        account_id,
        {{ sum_money('cost') }} as cost
    from costs
    where account_id is not null
    group by account_id
),

channel_pools as (
    select
        period_start,
        channel,
        {{ sum_money('cost') }} as cost
    from costs
    where account_id is null and channel is not null
    group by period_start, channel
),

-- the whole period's spend that is for no channel in particular; a period that no cost touches has no row: no data
periods as (
    select
        period_start,
        {{ sum_money('case when account_id is null and channel is null then cost end') }} as pool
    from costs
    group by period_start
),

costed as (
    select
        ranked.account_id,
        ranked.relationship,
        ranked.won_on,
        ranked.acquisition_channel,
        cast(case
            when periods.period_start is not null or direct_costs.account_id is not null
                then
                    coalesce(direct_costs.cost, 0)
                    + coalesce({{ part_of_money(
                        'channel_pools.cost', 'ranked.rank_in_channel - 1', 'ranked.rank_in_channel',
                        'ranked.won_in_channel'
                    ) }}, 0)
                    + coalesce({{ part_of_money(
                        'periods.pool', 'ranked.rank_in_period - 1', 'ranked.rank_in_period', 'ranked.won_in_period'
                    ) }}, 0)
        end as decimal(38, 4)) as acquisition_cost
    from ranked
    left join direct_costs on ranked.account_id = direct_costs.account_id  -- at most one
    left join channel_pools  -- at most one
        on ranked.period_start = channel_pools.period_start and ranked.acquisition_channel = channel_pools.channel
    left join periods on ranked.period_start = periods.period_start  -- at most one
),

contributions as (
    select
        account_id,
        {{ sum_money('contribution') }} as contribution_to_date
    from value_months
    group by account_id
),

-- what the account has left since the month it was won in, up to and with each month
running as (
    select
        costed.account_id,
        costed.acquisition_cost,
        {{ calendar_months_between('costed.won_on', 'value_months.month_start') }} + 1 as month_number,
        sum(value_months.contribution) over (
            partition by costed.account_id
            order by value_months.month_start
            rows between unbounded preceding and current row
        ) as contribution_so_far
    from costed
    inner join value_months
        on
            costed.account_id = value_months.account_id
            and value_months.month_start >= {{ period_start_of('month', 'costed.won_on') }}
    where costed.acquisition_cost > 0
),

paid_back as (
    select
        account_id,
        min(month_number) as payback_month
    from running
    where contribution_so_far >= acquisition_cost
    group by account_id
),

final as (
    select
        costed.account_id,
        costed.relationship,
        costed.won_on,
        costed.acquisition_channel,
        costed.acquisition_cost,
        cast(case
            when costed.acquisition_cost <= 0 then 0
            else paid_back.payback_month
        end as integer) as payback_month,
        cast(coalesce(contributions.contribution_to_date, 0) as decimal(38, 4)) as contribution_to_date,
        {{ unrecovered_cost('costed.acquisition_cost', 'coalesce(contributions.contribution_to_date, 0)') }}
            as unrecovered_cost
    from costed
    left join contributions on costed.account_id = contributions.account_id  -- at most one
    left join paid_back on costed.account_id = paid_back.account_id  -- at most one
)

select * from final
