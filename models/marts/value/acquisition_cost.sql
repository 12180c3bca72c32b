{%- set grains = ['month', 'quarter', 'year'] -%}
with

costs as (
    select * from {{ ref('int_cost_months') }}
    where kind = 'acquisition'
),

accounts as (
    select * from {{ ref('accounts') }}
),

acquisitions as (
    select
        *,
        {{ period_start_of('month', 'won_on') }} as won_month
    from {{ ref('int_account_acquisition') }}
),

first_orders as (
    select * from {{ ref('int_first_orders') }}
),

value_months as (
    select * from {{ ref('int_account_value_months') }}
),

-- a cost that names an account and no channel is one of the account's channel
spend_months as (
    select
        costs.month_start,
        coalesce(costs.channel, accounts.acquisition_channel, 'unknown') as channel,
        {{ sum_money('costs.cost') }} as spend
    from costs
    left join accounts on costs.account_id = accounts.account_id  -- at most one
    group by costs.month_start, coalesce(costs.channel, accounts.acquisition_channel, 'unknown')
),

won_months as (
    select
        acquisitions.won_month as month_start,
        acquisitions.acquisition_channel as channel,
        cast(count(*) as bigint) as customers_won,
        cast(count(first_orders.account_id) as bigint) as first_orders,
        {{ sum_money('first_orders.margin') }} as first_order_margins
    from acquisitions
    left join first_orders on acquisitions.account_id = first_orders.account_id  -- at most one
    group by acquisitions.won_month, acquisitions.acquisition_channel
),

-- by number of the month since the customers were won, the month they were won in being the first
contribution_months as (
    select
        acquisitions.won_month as month_start,
        acquisitions.acquisition_channel as channel,
        {{ calendar_months_between('acquisitions.won_month', 'value_months.month_start') }} + 1 as month_number,
        {{ sum_money('value_months.contribution') }} as contribution
    from acquisitions
    inner join value_months
        on acquisitions.account_id = value_months.account_id and value_months.month_start >= acquisitions.won_month
    group by
        acquisitions.won_month,
        acquisitions.acquisition_channel,
        {{ calendar_months_between('acquisitions.won_month', 'value_months.month_start') }} + 1
),

parts as (
    select
        month_start,
        channel,
        spend,
        cast(0 as bigint) as customers_won,
        cast(0 as bigint) as first_orders,
        cast(0 as decimal(38, 4)) as first_order_margins
    from spend_months
    union all
    select
        month_start,
        channel,
        cast(0 as decimal(38, 4)) as spend,
        customers_won,
        first_orders,
        first_order_margins
    from won_months
),

with_whole as (
    select * from parts
    union all
    select
        month_start,
        'all' as channel,
        spend,
        customers_won,
        first_orders,
        first_order_margins
    from parts
),

by_period as (
    {%- for grain in grains %}
    select
        '{{ grain }}' as period_grain,
        {{ period_start_of(grain, 'month_start') }} as period_start,
        channel,
        {{ sum_money('spend') }} as spend,
        cast(sum(customers_won) as bigint) as customers_won,
        cast(sum(first_orders) as bigint) as first_orders,
        {{ sum_money('first_order_margins') }} as first_order_margins,
        max(case when customers_won > 0 then month_start end) as last_won_month
    from with_whole
    group by {{ period_start_of(grain, 'month_start') }}, channel
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- a period in which nothing was spent on any channel says nothing about what customers cost
periods as (
    {{ periods_of_months('costs', grains) }}
),

with_cac as (
    select
        by_period.*,
        {{ money_per_head('by_period.spend', 'by_period.customers_won') }} as cac,
        {{ money_per_head('by_period.first_order_margins', 'by_period.first_orders') }} as first_order_margin,
        -- months that all of these customers have lived through
        {{ calendar_months_between('by_period.last_won_month', as_of_date()) }} as months_observed
    from by_period
    inner join periods  -- at most one
        on by_period.period_grain = periods.period_grain and by_period.period_start = periods.period_start
),

contributions as (
    select * from contribution_months
    union all
    select
        month_start,
        'all' as channel,
        month_number,
        contribution
    from contribution_months
),

contributed as (
    {%- for grain in grains %}
    select
        '{{ grain }}' as period_grain,
        {{ period_start_of(grain, 'month_start') }} as period_start,
        channel,
        month_number,
        {{ sum_money('contribution') }} as contribution
    from contributions
    group by {{ period_start_of(grain, 'month_start') }}, channel, month_number
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

running as (
    select
        period_grain,
        period_start,
        channel,
        month_number,
        sum(contribution) over (
            partition by period_grain, period_start, channel
            order by month_number
            rows between unbounded preceding and current row
        ) as contribution_so_far
    from contributed
),

paid_back as (
    select
        with_cac.period_grain,
        with_cac.period_start,
        with_cac.channel,
        min(running.month_number) as payback_months
    from with_cac
    inner join running
        on
            with_cac.period_grain = running.period_grain
            and with_cac.period_start = running.period_start
            and with_cac.channel = running.channel
            and with_cac.months_observed >= running.month_number
    where running.contribution_so_far >= with_cac.spend
    group by with_cac.period_grain, with_cac.period_start, with_cac.channel
),

final as (
    select
        with_cac.period_grain,
        with_cac.period_start,
        with_cac.channel,
        {{ add_months('with_cac.period_start', months_of_grain('with_cac.period_grain')) }} <= {{ as_of_date() }}
            as is_complete,
        with_cac.spend,
        with_cac.customers_won,
        with_cac.cac,
        {{ ratio('with_cac.cac', 'year_ago.cac') }} - 1e0 as cac_change_vs_year_ago,
        cast(case
            when with_cac.customers_won > 0 and with_cac.spend <= 0 then 0
            else paid_back.payback_months
        end as integer) as payback_months,
        with_cac.first_orders,
        with_cac.first_order_margin,
        cast(with_cac.first_order_margin - with_cac.cac as decimal(38, 4)) as first_order_result
    from with_cac
    left join with_cac as year_ago  -- at most one
        on
            with_cac.period_grain = year_ago.period_grain
            and with_cac.channel = year_ago.channel
            and with_cac.period_start = {{ add_months('year_ago.period_start', 12) }}
    left join paid_back  -- at most one
        on
            with_cac.period_grain = paid_back.period_grain
            and with_cac.period_start = paid_back.period_start
            and with_cac.channel = paid_back.channel
)

select * from final
