{%- set is_accrued = var('revenue_basis') == 'accrued' -%}
{%- set measures = {'revenue': 'mrr_original', 'discounts': 'discount_original'} -%}
{#
  Revenue, discounts and refunds of every account without foreign currency, computed once more without months: paid days
  before the as-of date are complete billing intervals, each worth exactly what it costs, and shares of an interval at
  either end. Only such shares, rounded once each, allow for a difference.
#}
with

accounts as (
    select account_id from {{ ref('accounts') }}
),

foreign_accounts as (
    select account_id from {{ ref('int_paid_versions') }}
    where currency <> '{{ var("reporting_currency") }}'
    union
    select account_id from {{ ref('orders') }}
    where currency <> '{{ var("reporting_currency") }}'
    union
    select account_id from {{ ref('invoices') }}
    where currency <> '{{ var("reporting_currency") }}'
),

{% if is_accrued -%}
versions as (
    select
        *,
        least(valid_to, {{ as_of_date() }}) as counted_to
    from {{ ref('int_paid_versions') }}
    where valid_from < {{ as_of_date() }}
),

complete as (
    select
        *,
        billing_interval_months * cast(floor(
            cast({{ complete_months_between('billed_from', 'valid_from') }} as double) / billing_interval_months
        ) as integer) as months_to_valid_from,
        billing_interval_months * cast(floor(
            cast({{ complete_months_between('billed_from', 'counted_to') }} as double) / billing_interval_months
        ) as integer) as months_to_counted_to
    from versions
),

measured as (
    select
        account_id,
        {% for end in ['valid_from', 'counted_to'] -%}
        cast({{ days_between(add_months('billed_from', 'months_to_' ~ end), end) }} as double)
        / {{ days_between(
            add_months('billed_from', 'months_to_' ~ end),
            add_months('billed_from', 'months_to_' ~ end ~ ' + billing_interval_months')
        ) }} as share_of_{{ end }},
        {% endfor -%}
        cast(months_to_counted_to - months_to_valid_from as double) as months,
        {% for column in measures.values() -%}
        cast({{ column }} as double) as {{ column }},
        {% endfor -%}
        billing_interval_months
    from complete
),

contracts as (
    select
        account_id,
        {% for name, column in measures.items() -%}
        sum(
            {{ column }} * (months + billing_interval_months * (share_of_counted_to - share_of_valid_from))
        ) as {{ name }},
        {% endfor -%}
        0e0 as refunds,
        sum(
            case when share_of_counted_to > 0 then 1 else 0 end + case when share_of_valid_from > 0 then 1 else 0 end
        ) as share_count
    from measured
    group by account_id
),

{% endif -%}
parts as (
    {%- if is_accrued %}
    select * from contracts
    union all
    {%- endif %}
    select
        account_id,
        {% if is_accrued %}0e0{% else %}cast(amount as double){% endif %} as revenue,
        0e0 as discounts,
        cast(coalesce(refunded_amount, 0) as double) as refunds,
        0 as share_count
    from {{ ref('invoices') }}
    where issued_on < {{ as_of_date() }} and (status is null or status <> 'void')
    union all
    select
        account_id,
        cast(amount as double) as revenue,
        cast(coalesce(discount_amount, 0) as double) as discounts,
        cast(coalesce(returned_amount, 0) as double) as refunds,
        0 as share_count
    from {{ ref('orders') }}
    where {{ local_day('ordered_at') }} < {{ as_of_date() }}
),

source as (
    select
        account_id,
        sum(revenue) as revenue,
        sum(discounts) as discounts,
        sum(refunds) as refunds,
        sum(share_count) as share_count
    from parts
    group by account_id
),

modelled as (
    select
        account_id,
        sum(revenue) as revenue,
        sum(discounts) as discounts,
        sum(refunds) as refunds
    from {{ ref('int_revenue_months') }}
    group by account_id
)

select
    accounts.account_id,
    source.revenue,
    modelled.revenue as modelled_revenue,
    source.discounts,
    modelled.discounts as modelled_discounts,
    source.refunds,
    modelled.refunds as modelled_refunds
from accounts
left join source on accounts.account_id = source.account_id
left join modelled on accounts.account_id = modelled.account_id
left join foreign_accounts on accounts.account_id = foreign_accounts.account_id
where
    foreign_accounts.account_id is null
    and (
        {%- for name in ['revenue', 'discounts', 'refunds'] %}
        {{ 'or ' if not loop.first -}}
        abs(coalesce(source.{{ name }}, 0e0) - coalesce(cast(modelled.{{ name }} as double), 0e0))
        > {% if name == 'refunds' %}1e-6{% else %}0.00005e0 * coalesce(source.share_count, 0) + 1e-6{% endif %}
        {%- endfor %}
    )
