with

as_of_dates as (
    {{ clv_as_of_dates() }}
),

runs as (
    select * from {{ ref('int_term_runs') }}
),

members as (
    select * from {{ ref('int_cohort_members') }}
    where relationship = 'contract'
),

seen as (
    select
        as_of_dates.as_of_date,
        runs.account_id,
        runs.run_number,
        runs.period_months,
        runs.run_start,
        least(runs.run_end, as_of_dates.as_of_date) as seen_to,
        runs.run_end > as_of_dates.as_of_date as is_running,
        runs.run_end <= as_of_dates.as_of_date and runs.ends_with_loss as has_left
    from as_of_dates
    inner join runs on as_of_dates.as_of_date >= runs.run_start
),

measured as (
    select
        *,
        cast(floor(cast({{ complete_months_between('run_start', 'seen_to') }} as double) / period_months) as integer)
            as complete_periods
    from seen
),

final as (
    select
        measured.as_of_date,
        measured.account_id,
        measured.run_number,
        {{ fit_segment('members') }} as own_segment,
        measured.period_months,
        measured.run_start,
        measured.is_running,
        measured.has_left,
        measured.complete_periods,
        -- who leaves within a period leaves in it, who leaves at its end too
        case
            when not measured.has_left then measured.complete_periods
            when {{ add_months('measured.run_start', 'measured.complete_periods * measured.period_months') }} < measured.seen_to
                then measured.complete_periods + 1
            else measured.complete_periods
        end as last_period,
        {{ add_months('measured.run_start', '(measured.complete_periods + 1) * measured.period_months') }}
            as next_renewal_on
    from measured
    inner join members on measured.account_id = members.account_id  -- exactly one
)

select * from final
