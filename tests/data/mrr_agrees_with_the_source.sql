{{ config(
    enabled=var('churn_recognition') == 'service_end' and var('past_due_is_mrr') and not var('pause_is_churn')
        and var('reactivation_gap_days') | int == 0
) }}
-- Customers and MRR on the as-of date, counted straight from the conformed subscriptions without any model between.
with

latest as (
    select
        *,
        row_number() over (partition by subscription_id order by valid_from desc) as rank_by_age
    from {{ ref('subscriptions') }}
    where valid_from <= {{ as_of_date() }} and (valid_to is null or valid_to > valid_from)
),

in_force as (
    select
        account_id,
        currency,
        case
            when is_paused is true then 0e0
            else cast(amount as double) * cast(coalesce(quantity, 1) as double) / billing_interval_months
        end as mrr
    from latest
    where rank_by_age = 1 and valid_to is null and is_trial is not true
),

source as (
    select
        count(distinct account_id) as customers,
        count(*) as subscriptions,
        sum(case when currency = '{{ var("reporting_currency") }}' then mrr else 0e0 end) as mrr
    from in_force
),

modelled as (
    select
        count(distinct account_id) as customers,
        sum(case when currency = '{{ var("reporting_currency") }}' then cast(mrr as double) else 0e0 end) as mrr
    from {{ ref('int_subscription_states') }}
    where state_on = {{ as_of_date() }}
),

monthly as (
    select customers_end
    from {{ ref('mrr_monthly') }}
    order by month_start desc
    limit 1
)

select
    source.*,
    modelled.customers as modelled_customers,
    modelled.mrr as modelled_mrr
from source
cross join modelled
left join monthly on true
where
    source.customers <> modelled.customers
    or source.customers <> coalesce(monthly.customers_end, 0)
    -- each subscription may have been rounded by half of a ten-thousandth
    or abs(coalesce(source.mrr, 0e0) - coalesce(modelled.mrr, 0e0)) > 0.00005e0 * source.subscriptions + 1e-6
