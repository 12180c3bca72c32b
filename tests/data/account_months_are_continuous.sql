-- Every account's months follow each other up to the running one, each beginning as the one before ended.
with

months as (
    select
        *,
        lead(month_start) over (partition by account_id order by month_start) as next_month_start,
        lead(is_active_start) over (partition by account_id order by month_start) as next_is_active_start,
        lead(mrr_start) over (partition by account_id order by month_start) as next_mrr_start,
        max(month_start) over () as last_month_start
    from {{ ref('account_months') }}
)

select * from months
where
    (next_month_start is null and month_start <> last_month_start)
    or next_month_start <> {{ add_months('month_start', 1) }}
    or next_is_active_start <> is_active_end
    or next_mrr_start <> mrr_end
