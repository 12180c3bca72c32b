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

placed as (
    select
        *,
        -- who leaves within a period leaves in it, who leaves at its end too
        case
            when not has_left then complete_periods
            when {{ add_months('run_start', 'complete_periods * period_months') }} < seen_to then complete_periods + 1
            else complete_periods
        end as last_period
    from measured
),

-- Only periods that are over by the date are observed: who has left early in a period that is still running would be
-- counted against none of those who have not.
judged as (
    select
        *,
        has_left and {{ add_months('run_start', 'last_period * period_months') }} <= as_of_date as is_loss_observed
    from placed
),

final as (
    select
        judged.as_of_date,
        judged.account_id,
        judged.run_number,
        {{ fit_segment('members') }} as own_segment,
        judged.period_months,
        judged.run_start,
        judged.is_running,
        judged.has_left,
        judged.complete_periods,
        judged.last_period,
        judged.is_loss_observed,
        case when judged.is_loss_observed then judged.last_period else judged.complete_periods end as periods_observed,
        {{ add_months('judged.run_start', '(judged.complete_periods + 1) * judged.period_months') }} as next_renewal_on
    from judged
    inner join members on judged.account_id = members.account_id  -- exactly one
)

select * from final
