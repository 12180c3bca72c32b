-- In every scenario the segments of every dimension add up to the customers of account_clv whose contract runs, and to
-- what they contribute a year.
with

sums as (
    select
        scenario,
        segment_dimension,
        sum(customers) as customers,
        sum(customers * contribution_per_customer_year) as contribution_yearly,
        coalesce(sum(extra_cost), 0e0) as extra_cost
    from {{ ref('retention_what_if') }}
    group by scenario, segment_dimension
),

running as (
    select
        count(*) as customers,
        coalesce(sum(cast(mrr as double) * 12e0 * (gross_margin - cost_ratio)), 0e0) as contribution_yearly
    from {{ ref('account_clv') }}
    where relationship = 'contract' and mrr is not null
)

select
    sums.scenario,
    sums.segment_dimension
from sums
left join sums as whole on sums.scenario = whole.scenario and whole.segment_dimension = 'all'
cross join running
where
    (
        sums.customers = running.customers
        and abs(sums.contribution_yearly - running.contribution_yearly) <= 1e-9 * abs(running.contribution_yearly)
        -- the cost of those who have left stays with segments nobody is in any more
        and sums.extra_cost <= whole.extra_cost + 1e-9 * abs(whole.extra_cost)
    ) is distinct from true
union all
select
    'no scenario' as scenario,
    'all' as segment_dimension
from running
left join sums on sums.segment_dimension = 'all'
where running.customers > 0 and sums.scenario is null
