{# Customer lifetime value: the choices all its models share (metrics.md section 7). #}

{# Weeks in a month of the purchase models, as in the published examples. #}
{% macro weeks_per_month() -%} 4.345e0 {%- endmacro %}

{# Days as weeks with two decimals, as in the published data sets: the time unit of the purchase models. #}
{% macro in_weeks(days) -%} cast(round(cast({{ days }} as decimal(18, 4)) / 7, 2) as double) {%- endmacro %}

{# What is due at the end of month k is worth this share of itself today; one yearly rate for all models. #}
{% macro discount_factor(months) -%}
    power(1e0 + {{ var('clv_discount_rate') | float }}e0, -({{ months }}) / 12e0)
{%- endmacro %}

{# The dates models are fitted for: the as-of date, and those of the backtest. As rows of one column. #}
{% macro clv_as_of_dates() -%}
    select {{ as_of_date() }} as as_of_date
    {%- for months in var('clv_backtest_months_back') | unique if months > 0 %}
    union all
    select {{ add_months(as_of_date(), -months) }} as as_of_date
    {%- endfor %}
{%- endmacro %}

{# The values a model is fitted for: 'all', and each value of the dimension chosen. A CTE body over `source`. #}
{% macro with_fit_segments(source) -%}
    {%- set dimension = var('clv_segment_dimension') -%}
    select
        {{ source }}.*,
        'all' as segment_value
    from {{ source }}
    {%- if dimension %}
    union all
    select
        {{ source }}.*,
        {{ source }}.own_segment as segment_value
    from {{ source }}
    {%- endif %}
{%- endmacro %}

{# The column of int_cohort_members that holds it. #}
{% macro fit_segment(relation) -%}
    {%- set dimension = var('clv_segment_dimension') -%}
    {{ relation ~ '.' ~ dimension if dimension else "'all'" }}
{%- endmacro %}
