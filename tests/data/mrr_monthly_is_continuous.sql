-- What a month ends with is what the next one starts with, and no month is missing.
with

months as (
    select
        *,
        lead(month_start) over (order by month_start) as next_month_start,
        lead(customers_start) over (order by month_start) as next_customers_start,
        lead(mrr_start) over (order by month_start) as next_mrr_start
    from {{ ref('mrr_monthly') }}
)

select * from months
where
    next_month_start is not null
    and (
        next_month_start <> {{ add_months('month_start', 1) }}
        or next_customers_start <> customers_end
        or next_mrr_start <> mrr_end
    )
