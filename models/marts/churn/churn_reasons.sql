with

churns as (
    select * from {{ ref('int_account_churns') }}
),

reason_codes as (
    select * from {{ ref('reason_codes') }}
),

counted as (
    select
        period_grain,
        period_start,
        is_complete,
        reason_code,
        cast(count(*) as bigint) as customers_churned,
        {{ sum_money('mrr_churned') }} as mrr_churned
    from churns
    group by period_grain, period_start, is_complete, reason_code
),

final as (
    select
        counted.period_grain,
        counted.period_start,
        counted.reason_code,
        counted.is_complete,
        reason_codes.is_avoidable,
        reason_codes.is_voluntary,
        counted.customers_churned,
        {{ ratio(
            'counted.customers_churned',
            'sum(counted.customers_churned) over (partition by counted.period_grain, counted.period_start)'
        ) }} as share_of_customers_churned,
        counted.mrr_churned,
        {{ ratio(
            'counted.mrr_churned',
            'sum(counted.mrr_churned) over (partition by counted.period_grain, counted.period_start)'
        ) }} as share_of_mrr_churned
    from counted
    left join reason_codes on counted.reason_code = reason_codes.reason_code  -- at most one
)

select * from final
