with

states as (
    select * from {{ ref('int_subscription_states') }}
),

periods as (
    select * from {{ ref('int_periods') }}
    where period_grain <> 'week'
),

starts as (
    select
        periods.period_grain,
        periods.period_start,
        states.account_id,
        states.currency,
        states.subscription_id,
        states.mrr_original as original_start,
        states.mrr as mrr_start,
        states.fx_rate as rate_start,
        cast(null as decimal(18, 4)) as original_end,
        cast(null as decimal(38, 4)) as mrr_end,
        cast(null as decimal(18, 8)) as rate_end
    from periods
    inner join states on periods.period_start = states.state_on
),

ends as (
    select
        periods.period_grain,
        periods.period_start,
        states.account_id,
        states.currency,
        states.subscription_id,
        cast(null as decimal(18, 4)) as original_start,
        cast(null as decimal(38, 4)) as mrr_start,
        cast(null as decimal(18, 8)) as rate_start,
        states.mrr_original as original_end,
        states.mrr as mrr_end,
        states.fx_rate as rate_end
    from periods
    inner join states on periods.period_end = states.state_on
),

sides as (
    select * from starts
    union all
    select * from ends
),

by_subscription as (
    select
        period_grain,
        period_start,
        account_id,
        currency,
        subscription_id,
        max(original_start) as original_start,
        max(mrr_start) as mrr_start,
        max(rate_start) as rate_start,
        max(original_end) as original_end,
        max(mrr_end) as mrr_end,
        max(rate_end) as rate_end,
        max(original_start) is not null and max(original_end) is not null as is_kept
    from sides
    group by period_grain, period_start, account_id, currency, subscription_id
),

-- A subscription in force at both boundaries is a line of its own. What ended and what began in the same currency
-- is one line: a renewal under a new subscription id must not turn a move of the rate into a contraction.
lines as (
    select
        period_grain,
        period_start,
        account_id,
        currency,
        case when is_kept then subscription_id end as kept_subscription_id,
        {{ sum_money('original_start') }} as original_start,
        {{ sum_money('mrr_start') }} as mrr_start,
        max(case when is_kept then rate_start end) as rate_start,
        {{ sum_money('original_end') }} as original_end,
        {{ sum_money('mrr_end') }} as mrr_end,
        max(case when is_kept then rate_end end) as rate_end
    from by_subscription
    group by period_grain, period_start, account_id, currency, case when is_kept then subscription_id end
),

converted as (
    select
        *,
        -- the start amount at the end rate, and the end amount at the start rate
        case
            when original_start = 0 or original_end = 0 or currency = '{{ var("reporting_currency") }}' then mrr_start
            when rate_end is not null then {{ convert_money('original_start', 'rate_end') }}
            else {{ scale_money('original_start', 'mrr_end', 'original_end') }}
        end as mrr_start_at_end_rate,
        case
            when original_start = 0 or currency = '{{ var("reporting_currency") }}' then mrr_end
            when rate_start is not null then {{ convert_money('original_end', 'rate_start') }}
            else {{ scale_money('original_end', 'mrr_start', 'original_start') }}
        end as mrr_end_at_start_rate
    from lines
),

final as (
    select
        period_grain,
        period_start,
        account_id,
        currency,
        coalesce(kept_subscription_id, '(replaced)') as line_id,
        original_start as mrr_start_original,
        original_end as mrr_end_original,
        mrr_start,
        mrr_end,
        cast(mrr_start_at_end_rate - mrr_start as decimal(38, 4)) as mrr_fx_change,
        cast(mrr_end - mrr_start_at_end_rate as decimal(38, 4)) as mrr_commercial_change,
        mrr_end_at_start_rate
    from converted
)

select * from final
