-- The segments of a cohort add up to the cohort, cell by cell; and every customer is in one cohort of each grain.
with

cells as (
    select
        relationship,
        cohort_grain,
        cohort_start,
        segment_dimension,
        period_index,
        sum(customers_at_start) as customers_at_start,
        sum(customers_retained) as customers_retained,
        sum(customers_retained_uninterrupted) as customers_retained_uninterrupted,
        sum(mrr_at_start) as mrr_at_start,
        sum(mrr_retained_gross) as mrr_retained_gross,
        sum(mrr_retained_net) as mrr_retained_net,
        sum(mrr_retained_uninterrupted) as mrr_retained_uninterrupted,
        sum(value_at_start) as value_at_start,
        sum(value_retained) as value_retained
    from {{ ref('cohort_retention') }}
    group by relationship, cohort_grain, cohort_start, segment_dimension, period_index
),

against_whole as (
    select
        cells.relationship,
        cells.cohort_grain,
        cells.cohort_start,
        cells.segment_dimension
    from cells
    left join cells as whole
        on
            cells.relationship = whole.relationship
            and cells.cohort_grain = whole.cohort_grain
            and cells.cohort_start = whole.cohort_start
            and cells.period_index = whole.period_index
            and whole.segment_dimension = 'all'
    where
        whole.cohort_start is null
        or cells.customers_at_start <> whole.customers_at_start
        or cells.customers_retained <> whole.customers_retained
        or cells.customers_retained_uninterrupted <> whole.customers_retained_uninterrupted
        or cells.mrr_at_start is distinct from whole.mrr_at_start
        or cells.mrr_retained_gross is distinct from whole.mrr_retained_gross
        or cells.mrr_retained_net is distinct from whole.mrr_retained_net
        or cells.mrr_retained_uninterrupted is distinct from whole.mrr_retained_uninterrupted
        or cells.value_at_start is distinct from whole.value_at_start
        or cells.value_retained is distinct from whole.value_retained
),

-- cohorts whose first cell can be observed
members as (
    select
        members.relationship,
        periods.period_grain as cohort_grain,
        periods.period_start as cohort_start,
        count(*) as customers
    from {{ ref('int_cohort_members') }} as members
    inner join {{ ref('int_periods') }} as periods
        on
            members.first_day >= periods.period_start
            and members.first_day < periods.next_period_start
            and periods.is_complete
    group by members.relationship, periods.period_grain, periods.period_start
),

first_cells as (
    select * from cells
    where segment_dimension = 'all' and period_index = 0
),

against_members as (
    select
        members.relationship,
        members.cohort_grain,
        members.cohort_start,
        'members' as segment_dimension
    from members
    full outer join first_cells
        on
            members.relationship = first_cells.relationship
            and members.cohort_grain = first_cells.cohort_grain
            and members.cohort_start = first_cells.cohort_start
    where members.customers is distinct from first_cells.customers_at_start
)

select * from against_whole
union all
select * from against_members
