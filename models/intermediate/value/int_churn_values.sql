with

churns as (
    select * from {{ ref('int_account_churns') }}
),

histories as (
    select * from {{ ref('int_renewal_histories') }}
    where has_left and as_of_date = {{ as_of_date() }}
),

scores as (
    select * from {{ ref('int_renewal_scores') }}
    where as_of_date = {{ as_of_date() }}
),

clv as (
    select
        account_id,
        contribution_ratio
    from {{ ref('int_account_clv') }}
    where as_of_date = {{ as_of_date() }}
),

acquisition as (
    select * from {{ ref('int_account_acquisition') }}
),

value_months as (
    select * from {{ ref('int_account_value_months') }}
),

account_clv as (
    select
        account_id,
        is_active
    from {{ ref('account_clv') }}
),

days as (
    select distinct
        account_id,
        churned_on
    from churns
),

-- the run that ended on that day is the last one begun before it
runs as (
    select
        days.account_id,
        days.churned_on,
        histories.own_segment,
        histories.period_months,
        histories.last_period,
        row_number() over (
            partition by days.account_id, days.churned_on order by histories.run_start desc
        ) as rank_by_start
    from days
    inner join histories on days.account_id = histories.account_id and days.churned_on > histories.run_start
),

-- what a month's contribution would have been worth, had he renewed on that day
scored as (
    select
        runs.account_id,
        runs.churned_on,
        scores.discounted_months_residual
    from runs
    inner join scores  -- exactly one
        on
            runs.period_months = scores.period_months
            and runs.own_segment = scores.own_segment
            and runs.last_period = scores.complete_periods
            and runs.period_months = scores.months_to_renewal
            and scores.months_to_known_end is null
    where runs.rank_by_start = 1
),

-- up to and with the month of the last day served
contributions as (
    select
        days.account_id,
        days.churned_on,
        {{ sum_money('value_months.contribution') }} as contribution
    from days
    inner join value_months
        on days.account_id = value_months.account_id and days.churned_on > value_months.month_start
    group by days.account_id, days.churned_on
),

final as (
    select
        churns.period_grain,
        churns.period_start,
        churns.is_complete,
        churns.account_id,
        churns.churned_on,
        account_clv.is_active as has_returned,
        churns.mrr_churned,
        cast(churns.mrr_churned as double) * clv.contribution_ratio * scored.discounted_months_residual
            as residual_value_lost,
        acquisition.acquisition_cost,
        {{ unrecovered_cost('acquisition.acquisition_cost', 'coalesce(contributions.contribution, 0)') }}
            as unrecovered_acquisition_cost
    from churns
    inner join clv on churns.account_id = clv.account_id  -- exactly one
    inner join account_clv on churns.account_id = account_clv.account_id  -- exactly one
    inner join acquisition on churns.account_id = acquisition.account_id  -- exactly one
    left join scored  -- at most one
        on churns.account_id = scored.account_id and churns.churned_on = scored.churned_on
    left join contributions  -- at most one
        on churns.account_id = contributions.account_id and churns.churned_on = contributions.churned_on
)

select * from final
