{#- every point of the score is explained: intercept and contributions are the log-odds, to 1e-9 -#}
with

summed as (
    select
        account_id,
        sum(contribution) as contribution
    from {{ ref('health_contributions') }}
    group by account_id
)

select
    account_health.account_id,
    account_health.log_odds,
    account_health.intercept + coalesce(summed.contribution, 0e0) as added_up
from {{ ref('account_health') }} as account_health
left join summed on account_health.account_id = summed.account_id  -- at most one
where
    (account_health.band <> 'leaving')
    <> coalesce(
        abs(account_health.intercept + coalesce(summed.contribution, 0e0) - account_health.log_odds) < 1e-9, false
    )
    or (account_health.band = 'leaving' and summed.account_id is not null)
