{#
  The scenarios of retention_what_if, from the vars: name, percentage points of yearly retention gained, share by which the
  contribution of each customer rises, and share by which spending on retention rises (none: the scenario names no cost).
#}
{% macro what_if_scenarios() %}
    {%- do check_what_if() -%}
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

{# Models are written with these vars before check_vars runs: they are looked at where they are used too. #}
{% macro check_what_if() %}
    {%- set points = var('what_if_retention_points') -%}
    {%- if points is string or points is mapping or points is not sequence
        or points | select('boolean') | list or points | reject('number') | list
        or points | select('le', 0) | list or points | select('gt', 100) | list
        or points | unique | list | length < points | length -%}
        {%- do _wrong_var('what_if_retention_points', 'a list of percentage points, above 0 and up to 100, each once') -%}
    {%- endif -%}
    {%- for name in ['what_if_investment_share', 'what_if_loyalty_lift'] -%}
        {%- if var(name) is not number or var(name) is boolean or var(name) <= 0 -%}
            {%- do _wrong_var(name, 'a share above 0 such as 0.05') -%}
        {%- endif -%}
    {%- endfor -%}
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
