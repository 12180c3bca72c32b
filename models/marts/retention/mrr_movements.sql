{%- set dimensions = known_segment_dimensions() -%}
with

account_months as (
    select * from {{ ref('int_account_periods') }}
    where period_grain = 'month'
),

line_changes as (
    select * from {{ ref('int_account_line_changes') }}
    where period_grain = 'month'
),

by_currency as (
    select
        account_id,
        period_start,
        currency,
        {{ sum_money('mrr_commercial_change') }} as mrr_commercial_change,
        {{ sum_money('mrr_fx_change') }} as mrr_fx_change,
        cast(sum(mrr_end_original) - sum(mrr_start_original) as decimal(38, 4)) as mrr_change_original
    from line_changes
    group by account_id, period_start, currency
),

-- one row per currency the account has at either boundary; one without currency where it has none
commercial as (
    select
        account_months.*,
        by_currency.currency,
        account_months.movement as movement_of_row,
        'commercial' as movement_kind,
        coalesce(by_currency.mrr_commercial_change, 0) as mrr_change,
        coalesce(by_currency.mrr_change_original, 0) as mrr_change_original
    from account_months
    left join by_currency
        on account_months.account_id = by_currency.account_id and account_months.period_start = by_currency.period_start
),

-- original amounts do not change with the rate
fx as (
    select
        account_months.*,
        by_currency.currency,
        'fx' as movement_of_row,
        'fx' as movement_kind,
        by_currency.mrr_fx_change as mrr_change,
        0 as mrr_change_original
    from account_months
    inner join by_currency
        on account_months.account_id = by_currency.account_id and account_months.period_start = by_currency.period_start
    where by_currency.mrr_fx_change <> 0
),

unioned as (
    select * from commercial
    union all
    select * from fx
),

final as (
    select
        account_id,
        period_start as month_start,
        movement_of_row as movement,
        coalesce(currency, '{{ var("reporting_currency") }}') as currency,
        movement_kind,
        is_complete,
        {%- for dimension in dimensions %}
        {{ dimension }},
        {%- endfor %}
        cast(mrr_change as decimal(38, 4)) as mrr_change,
        cast(mrr_change_original as decimal(38, 4)) as mrr_change_original
    from unioned
)

select * from final
