with

-- a cost of no days is one of its first day
costs as (
    select
        cost_id,
        kind,
        coalesce(category, 'unknown') as category,
        channel,
        account_id,
        amount,
        currency,
        period_start,
        case when period_end > period_start then period_end else {{ add_days('period_start', 1) }} end as period_end
    from {{ ref('costs') }}
    where period_start < {{ as_of_date() }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

numbers as (
    {{ number_spine() }}
),

rated as (
    select
        costs.*,
        {{ required_rate('costs.currency', 'costs.period_start', 'fx_rates.rate') }} as fx_rate
    from costs
    left join fx_rates  -- at most one
        on costs.currency = fx_rates.currency and costs.period_start = fx_rates.rate_for
),

valued as (
    select
        cost_id,
        kind,
        category,
        channel,
        account_id,
        period_start,
        least(period_end, {{ as_of_date() }}) as counted_to,
        {{ days_between('period_start', 'period_end') }} as period_days,
        {{ convert_money('amount', 'fx_rate') }} as period_cost
    from rated
),

monthly as (
    select
        valued.*,
        {{ add_months(period_start_of('month', 'valued.period_start'), 'numbers.i') }} as month_start,
        {{ add_months(period_start_of('month', 'valued.period_start'), 'numbers.i + 1') }} as next_month_start
    from valued
    inner join numbers on numbers.i <= {{ calendar_months_between('valued.period_start', 'valued.counted_to') }}
),

-- the parts of a cost add up to it
spread as (
    select
        *,
        {{ days_between('period_start', 'greatest(period_start, month_start)') }} as from_day,
        {{ days_between('period_start', 'least(counted_to, next_month_start)') }} as to_day
    from monthly
    where month_start < counted_to
),

final as (
    select
        cost_id,
        month_start,
        kind,
        category,
        channel,
        account_id,
        {{ part_of_money('period_cost', 'from_day', 'to_day', 'period_days') }} as cost
    from spread
)

select * from final
