{#
  The scenarios of retention_what_if, from the vars: name, percentage points of yearly retention gained, share by which the
  contribution of each customer rises, and share by which spending on retention rises (none: the scenario names no cost).
#}
{% macro what_if_scenarios() %}
    {%- set scenarios = [] -%}
    {%- for points in var('what_if_retention_points') -%}
        {%- do scenarios.append({
            'name': 'retain_' ~ _in_a_name(points) ~ ('_point' if points == 1 else '_points'),
            'points': points, 'lift': 0, 'investment': none,
        }) -%}
    {%- endfor -%}
    {%- set share = var('what_if_investment_share') -%}
    {%- do scenarios.append({
        'name': 'invest_' ~ _in_a_name(share * 100) ~ '_percent', 'points': 0, 'lift': 0, 'investment': share,
    }) -%}
    {%- do scenarios.append({
        'name': 'loyalty_lift', 'points': 0, 'lift': var('what_if_loyalty_lift'), 'investment': none,
    }) -%}
    {{ return(scenarios) }}
{% endmacro %}

{% macro _in_a_name(number) -%}
    {{ return(('%g' | format(number)) | replace('.', '_')) }}
{%- endmacro %}

{# Contribution of a customer over whole years, year t reached with probability retention^t and paid at its start. #}
{% macro clv_of_years(contribution, retention, years) -%}
    {{ contribution }} * (
        1e0
        {%- for t in range(1, years) %}
        + power({{ retention }} / (1e0 + cast({{ var('clv_discount_rate') }} as double)), {{ t }}e0)
        {%- endfor %}
    )
{%- endmacro %}

{#
  Aggregate: the share that so many months before one have left, from monthly rates of loss; a month without a rate takes
  nothing. Multiplied one by one, as a month that lost everybody has no logarithm.
#}
{% macro retained_over_months(month, loss_rate, this_month, months) -%}
    {%- for i in range(1, months + 1) -%}
    (1e0 - coalesce(max(case when {{ month }} = {{ add_months(this_month, -i) }} then {{ loss_rate }} end), 0e0))
        {{- ' * ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
