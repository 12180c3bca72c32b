-- The segments of every dimension add up to the whole, which for months is the month of mrr_monthly.
with

segments as (
    select
        period_grain,
        period_start,
        segment_dimension,
        sum(customers_at_start) as customers_at_start,
        sum(customers_churned) as customers_churned,
        sum(mrr_at_start) as mrr_at_start,
        sum(mrr_churned) as mrr_churned,
        sum(mrr_contracted) as mrr_contracted,
        sum(mrr_expanded) as mrr_expanded
    from {{ ref('churn_by_segment') }}
    group by period_grain, period_start, segment_dimension
),

against_whole as (
    select
        segments.segment_dimension,
        segments.period_grain,
        segments.period_start
    from segments
    left join segments as whole
        on
            segments.period_grain = whole.period_grain
            and segments.period_start = whole.period_start
            and whole.segment_dimension = 'all'
    where
        whole.period_start is null
        or segments.customers_at_start <> whole.customers_at_start
        or segments.customers_churned <> whole.customers_churned
        or segments.mrr_at_start <> whole.mrr_at_start
        or segments.mrr_churned <> whole.mrr_churned
        or segments.mrr_contracted <> whole.mrr_contracted
        or segments.mrr_expanded <> whole.mrr_expanded
),

against_months as (
    select
        'mrr_monthly' as segment_dimension,
        'month' as period_grain,
        months.month_start as period_start
    from {{ ref('mrr_monthly') }} as months
    left join {{ ref('churn_by_segment') }} as whole
        on
            months.month_start = whole.period_start
            and whole.period_grain = 'month'
            and whole.segment_dimension = 'all'
    where
        months.customers_start <> coalesce(whole.customers_at_start, 0)
        or months.customers_churned <> coalesce(whole.customers_churned, 0)
        or months.mrr_start <> coalesce(whole.mrr_at_start, 0)
        or months.mrr_churn <> coalesce(whole.mrr_churned, 0)
        or months.nrr is distinct from whole.nrr
        or months.grr is distinct from whole.grr
)

select * from against_whole
union all
select * from against_months
