-- Uninterrupted cells never rise, and no cell is missing between index 0 and the last one observed.
with

cells as (
    select
        *,
        lag(period_index) over (
            partition by relationship, cohort_grain, cohort_start, segment_dimension, segment_value
            order by period_index
        ) as previous_index,
        lag(customers_retained_uninterrupted) over (
            partition by relationship, cohort_grain, cohort_start, segment_dimension, segment_value
            order by period_index
        ) as previous_customers,
        lag(mrr_retained_uninterrupted) over (
            partition by relationship, cohort_grain, cohort_start, segment_dimension, segment_value
            order by period_index
        ) as previous_mrr
    from {{ ref('cohort_retention') }}
)

select * from cells
where
    coalesce(previous_index, -1) <> period_index - 1
    or customers_retained_uninterrupted > previous_customers
    or mrr_retained_uninterrupted > previous_mrr
