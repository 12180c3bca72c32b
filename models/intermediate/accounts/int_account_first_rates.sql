with

versions as (
    select * from {{ ref('int_paid_versions') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

first_days as (
    select
        account_id,
        currency,
        min(billed_from) as first_paid_day
    from versions
    group by account_id, currency
),

final as (
    select
        first_days.account_id,
        first_days.currency,
        first_days.first_paid_day,
        {{ required_rate('first_days.currency', 'first_days.first_paid_day', 'fx_rates.rate') }} as first_rate
    from first_days
    left join fx_rates
        on first_days.currency = fx_rates.currency and first_days.first_paid_day = fx_rates.rate_for  -- at most one
)

select * from final
