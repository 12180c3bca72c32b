with

versions as (
    select * from {{ ref('int_paid_versions') }}
),

weeks as (
    select * from {{ ref('int_periods') }}
    where period_grain = 'week' and is_complete
),

first_rates as (
    select * from {{ ref('int_account_first_rates') }}
),

final as (
    select
        versions.account_id,
        weeks.period_start,
        {{ sum_money(convert_money('versions.mrr_original', 'first_rates.first_rate')) }} as mrr_end_at_first_rate
    from versions
    inner join weeks on weeks.period_end >= versions.valid_from and weeks.period_end < versions.valid_to
    inner join first_rates  -- exactly one
        on versions.account_id = first_rates.account_id and versions.currency = first_rates.currency
    group by versions.account_id, weeks.period_start
)

select * from final
