with

versions as (
    select * from {{ ref('int_paid_versions') }}
),

periods as (
    select * from {{ ref('int_periods') }}
    where period_grain <> 'week'
),

spells as (
    select * from {{ ref('int_account_spells') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

first_rates as (
    select * from {{ ref('int_account_first_rates') }}
),

boundaries as (
    select period_start as state_on from periods
    union
    select period_end as state_on from periods
    union
    select as_of_date as state_on
    from (
        {{ clv_as_of_dates() }}
    ) as as_of_dates
    union
    select {{ add_months(as_of_date(), -12) }} as state_on
),

on_boundaries as (
    select
        versions.*,
        boundaries.state_on
    from versions
    inner join boundaries
        on boundaries.state_on >= versions.valid_from and boundaries.state_on < versions.valid_to
),

-- the first day of a spell is looked at too: a new account's cohort and segments are those of that day
on_first_days as (
    select
        versions.*,
        spells.spell_start as state_on
    from versions
    inner join spells
        on
            versions.account_id = spells.account_id
            and spells.spell_start >= versions.valid_from
            and spells.spell_start < versions.valid_to
    left join boundaries on spells.spell_start = boundaries.state_on
    where boundaries.state_on is null
),

states as (
    select * from on_boundaries
    union all
    select * from on_first_days
),

with_interval as (
    select
        *,
        case
            when currency <> '{{ var("reporting_currency") }}'
                then {{ billing_interval_start('billed_from', 'billing_interval_months', 'state_on') }}
        end as interval_start
    from states
),

rated as (
    select
        with_interval.*,
        {{ required_rate('with_interval.currency', 'with_interval.interval_start', 'fx_rates.rate') }} as fx_rate
    from with_interval
    left join fx_rates  -- at most one
        on with_interval.currency = fx_rates.currency and with_interval.interval_start = fx_rates.rate_for
),

final as (
    select
        rated.subscription_id,
        rated.state_on,
        rated.account_id,
        rated.currency,
        rated.plan,
        rated.contract_term_months,
        rated.mrr_original,
        rated.fx_rate,
        {{ convert_money('rated.mrr_original', 'rated.fx_rate') }} as mrr,
        {{ convert_money('rated.mrr_original', 'first_rates.first_rate') }} as mrr_at_first_rate
    from rated
    inner join first_rates  -- exactly one
        on rated.account_id = first_rates.account_id and rated.currency = first_rates.currency
)

select * from final
