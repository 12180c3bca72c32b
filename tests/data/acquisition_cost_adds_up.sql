{%- set grain = var('acquisition_cost_grain') -%}
-- The channels of a period add up to the whole, all of the spend is in every grain, and what customers were charged for
-- being won is what was spent in periods and on channels that won somebody.
with

costs as (
    select
        {{ period_start_of(grain, 'month_start') }} as period_start,
        channel,
        account_id,
        cost
    from {{ ref('int_cost_months') }}
    where kind = 'acquisition'
),

acquisitions as (
    select
        *,
        {{ period_start_of(grain, 'won_on') }} as period_start
    from {{ ref('int_account_acquisition') }}
),

won as (
    select distinct
        period_start,
        acquisition_channel
    from acquisitions
),

won_periods as (
    select distinct period_start from acquisitions
),

winners as (
    select distinct account_id from acquisitions
),

-- each cost finds at most one period, one channel and one account
due as (
    select
        coalesce(sum(case
            when costs.account_id is not null and winners.account_id is not null then costs.cost
            when costs.account_id is null and costs.channel is not null and won.acquisition_channel is not null
                then costs.cost
            when costs.account_id is null and costs.channel is null and won_periods.period_start is not null
                then costs.cost
        end), 0) as cost
    from costs
    left join winners on costs.account_id = winners.account_id
    left join won on costs.period_start = won.period_start and costs.channel = won.acquisition_channel
    left join won_periods on costs.period_start = won_periods.period_start
),

charged as (
    select coalesce(sum(acquisition_cost), 0) as cost from acquisitions
),

channels as (
    select
        period_grain,
        period_start,
        sum(case when channel = 'all' then -spend else spend end) as spend,
        sum(case when channel = 'all' then -customers_won else customers_won end) as customers_won,
        sum(case when channel = 'all' then -first_orders else first_orders end) as first_orders,
        sum(case when channel = 'all' then spend end) as whole_spend
    from {{ ref('acquisition_cost') }}
    group by period_grain, period_start
),

grains as (
    select
        period_grain,
        sum(whole_spend) as spend
    from channels
    group by period_grain
),

spent as (
    select sum(cost) as cost from costs
)

select
    'charged to customers' as what,
    charged.cost,
    due.cost as expected_cost
from charged
cross join due
where charged.cost <> due.cost
union all
select
    concat('channels of the ', period_grain, ' of ', cast(period_start as {{ dbt.type_string() }})) as what,
    spend as cost,
    0 as expected_cost
from channels
where spend <> 0 or customers_won <> 0 or first_orders <> 0
union all
select
    concat('all of grain ', grains.period_grain) as what,
    grains.spend as cost,
    spent.cost as expected_cost
from grains
cross join spent
where grains.spend <> spent.cost
