{%- set is_accrued = chosen('revenue_basis', ['accrued', 'invoiced']) == 'accrued' -%}
with

{% if is_accrued -%}
versions as (
    select
        *,
        least(valid_to, {{ as_of_date() }}) as counted_to,
        floor(
            {{ calendar_months_between('billed_from', 'least(valid_to, ' ~ as_of_date() ~ ')') }}
            / billing_interval_months
        ) as last_interval
    from {{ ref('int_paid_versions') }}
    where valid_from < {{ as_of_date() }}
),

periods as (
    select
        period_start as month_start,
        next_period_start as next_month_start
    from {{ ref('int_periods') }}
    where period_grain = 'month'
),

numbers as (
    {{ number_spine() }}
),

{% endif -%}
invoices as (
    select * from {{ ref('invoices') }}
    where coalesce(status, 'open') <> 'void' and issued_on < {{ as_of_date() }}
),

orders as (
    select * from {{ ref('int_orders') }}
    where ordered_on < {{ as_of_date() }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

{% if is_accrued -%}
-- the billing intervals that a version's days lie in, each counted from the first day of billing
intervals as (
    select
        versions.account_id,
        versions.valid_from,
        versions.counted_to,
        versions.currency,
        versions.billing_interval_months,
        versions.mrr_original,
        versions.discount_original,
        {{ add_months('versions.billed_from', 'numbers.i * versions.billing_interval_months') }} as interval_start,
        {{ add_months('versions.billed_from', '(numbers.i + 1) * versions.billing_interval_months') }} as interval_end
    from versions
    inner join numbers on numbers.i <= versions.last_interval
    where
        {{ add_months('versions.billed_from', 'numbers.i * versions.billing_interval_months') }} < versions.counted_to
        and {{ add_months('versions.billed_from', '(numbers.i + 1) * versions.billing_interval_months') }}
        > versions.valid_from
),

rated_intervals as (
    select
        intervals.*,
        {{ required_rate('intervals.currency', 'intervals.interval_start', 'fx_rates.rate') }} as fx_rate
    from intervals
    left join fx_rates  -- at most one
        on intervals.currency = fx_rates.currency and intervals.interval_start = fx_rates.rate_for
),

valued_intervals as (
    select
        account_id,
        interval_start,
        greatest(interval_start, valid_from) as counted_from,
        least(interval_end, counted_to) as counted_to,
        {{ days_between('interval_start', 'interval_end') }} as interval_days,
        {{ convert_money('mrr_original * billing_interval_months', 'fx_rate') }} as interval_value,
        {{ convert_money('discount_original * billing_interval_months', 'fx_rate') }} as interval_discount
    from rated_intervals
),

-- an interval is worth what it costs, day by day: the parts of one add up to it
accrued as (
    select
        valued_intervals.account_id,
        periods.month_start,
        valued_intervals.interval_value,
        valued_intervals.interval_discount,
        valued_intervals.interval_days,
        {{ days_between(
            'valued_intervals.interval_start', 'greatest(valued_intervals.counted_from, periods.month_start)'
        ) }} as from_day,
        {{ days_between(
            'valued_intervals.interval_start', 'least(valued_intervals.counted_to, periods.next_month_start)'
        ) }} as to_day
    from valued_intervals
    inner join periods
        on
            periods.month_start < valued_intervals.counted_to
            and periods.next_month_start > valued_intervals.counted_from
),

from_contracts as (
    select
        account_id,
        month_start,
        {{ part_of_money('interval_value', 'from_day', 'to_day', 'interval_days') }} as revenue,
        {{ part_of_money('interval_discount', 'from_day', 'to_day', 'interval_days') }} as discounts
    from accrued
),

{% endif -%}
-- a rate is only asked for where there is something to convert
billed as (
    select
        invoices.account_id,
        {{ period_start_of('month', 'invoices.issued_on') }} as month_start,
        invoices.amount,
        coalesce(invoices.refunded_amount, 0) as refunded_amount,
        {{ required_rate('invoices.currency', 'invoices.issued_on', 'fx_rates.rate') }} as fx_rate
    from invoices
    left join fx_rates  -- at most one
        on invoices.currency = fx_rates.currency and invoices.issued_on = fx_rates.rate_for
    where {% if not is_accrued %}invoices.amount <> 0 or {% endif %}invoices.refunded_amount > 0
),

parts as (
    {%- if is_accrued %}
    select
        account_id,
        month_start,
        revenue,
        discounts,
        cast(0 as decimal(38, 4)) as refunds
    from from_contracts
    union all
    {%- endif %}
    select
        account_id,
        month_start,
        {% if is_accrued -%}
        cast(0 as decimal(38, 4)) as revenue,
        {%- else -%}
        {{ convert_money('amount', 'fx_rate') }} as revenue,
        {%- endif %}
        cast(0 as decimal(38, 4)) as discounts,
        {{ convert_money('refunded_amount', 'fx_rate') }} as refunds
    from billed
    union all
    select
        account_id,
        {{ period_start_of('month', 'ordered_on') }} as month_start,
        value_gross as revenue,
        discount_value as discounts,
        cast(value_gross - value_net as decimal(38, 4)) as refunds
    from orders
),

final as (
    select
        account_id,
        month_start,
        {{ sum_money('revenue') }} as revenue,
        {{ sum_money('discounts') }} as discounts,
        {{ sum_money('refunds') }} as refunds
    from parts
    group by account_id, month_start
)

select * from final
