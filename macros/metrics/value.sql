{# Customer lifetime value: the choices all its models share (metrics.md section 7). #}

{# Weeks in a month of the purchase models, as in the published examples. #}
{% macro weeks_per_month() -%} 4.345e0 {%- endmacro %}

{# Days as weeks with two decimals, as in the published data sets: the time unit of the purchase models. #}
{% macro in_weeks(days) -%} cast(round(cast({{ days }} as decimal(18, 4)) / 7, 2) as double) {%- endmacro %}

{# What is due at the end of month k is worth this share of itself today; one yearly rate for all models. #}
{% macro discount_factor(months) -%}
    power(1e0 + cast({{ var('clv_discount_rate') }} as double), -({{ months }}) / 12e0)
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

{#
  The months ahead that values are summed over, from `number_spine`: columns i, weight_12m and weight_residual. A quantity
  cumulated to the end of each month, summed with these weights, is its monthly increments discounted from the end of
  their month: sum of (E_i - E_(i-1)) v^i = sum of E_i (v^i - v^(i+1)), and v^i alone in the last month.
#}
{% macro months_ahead(horizon) -%}
    select
        numbers.i,
        {%- for name, last in {'weight_12m': 12, 'weight_residual': horizon}.items() %}
        case
            when numbers.i < {{ last }} then {{ discount_factor('numbers.i') }} - {{ discount_factor('(numbers.i + 1)') }}
            when numbers.i = {{ last }} then {{ discount_factor('numbers.i') }}
            else 0e0
        end as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from numbers
    where numbers.i >= 1 and numbers.i <= {{ [horizon, 12] | max }}
{%- endmacro %}

{# How far a parameter is moved to see what hangs on it, as a share of itself. #}
{% macro parameter_step() -%} 1e-3 {%- endmacro %}

{#
  The fit a customer is scored with, per as-of date and further key: his segment's where it converged, else the whole's.
  CTE body over `wanted` (as_of_date, own_segment and the keys) and `fits`; status is that of the fit used, or why there
  is none.
#}
{% macro chosen_fit(keys, columns) -%}
    select
        wanted.*,
        case when own.status = 'converged' then own.segment_value else whole.segment_value end as model_segment,
        case
            when own.status = 'converged' or whole.status = 'converged' then 'converged'
            else coalesce(whole.status, 'no_data')
        end as model_status
        {%- for column in columns %},
        case when own.status = 'converged' then own.{{ column }} else whole.{{ column }} end as {{ column }}
        {%- endfor %}
    from wanted
    left join fits as own  -- at most one
        on {% for key in keys %}wanted.{{ key }} = own.{{ key }} and {% endfor %}wanted.own_segment = own.segment_value
    left join fits as whole  -- at most one
        on {% for key in keys %}wanted.{{ key }} = whole.{{ key }} and {% endfor %}whole.segment_value = 'all'
{%- endmacro %}

{# The variance of the logarithm of a score: gradient' covariance gradient, from columns g_i and cov_ij. #}
{% macro variance_of_log(size) -%}
    {% for i in range(1, size + 1) %}{% for j in range(1, size + 1) -%}
    g_{{ i }} * g_{{ j }} * {{ element('cov', i, j) }}{{ ' + ' if not (i == size and loop.last) }}
    {%- endfor %}{% endfor %}
{%- endmacro %}

{#
  What of the acquisition cost a customer's contribution has not paid back: never more than it was, however much serving him
  has cost besides; null where it is not known.
#}
{% macro unrecovered_cost(acquisition_cost, contribution) -%}
    cast(case
        when {{ acquisition_cost }} is null then null
        when {{ acquisition_cost }} <= {{ contribution }} or {{ acquisition_cost }} <= 0 then 0
        when {{ contribution }} < 0 then {{ acquisition_cost }}
        else {{ acquisition_cost }} - {{ contribution }}
    end as decimal(38, 4))
{%- endmacro %}

{# The share of revenue left after variable cost: the account's own, else the var. #}
{% macro gross_margin_of(accounts) -%}
    coalesce({{ accounts }}.gross_margin, cast({{ var('gross_margin') }} as decimal(18, 8)))
{%- endmacro %}

{# The periods of each grain that a relation with a month_start has a row in. #}
{% macro periods_of_months(source, grains) -%}
    {%- for grain in grains %}
    select distinct
        '{{ grain }}' as period_grain,
        {{ period_start_of(grain, 'month_start') }} as period_start
    from {{ source }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
{%- endmacro %}

{# Every row counted with its relationship and with 'all', as counted_as. #}
{% macro with_all_relationships(source) -%}
    select
        {{ source }}.*,
        relationship as counted_as
    from {{ source }}
    union all
    select
        {{ source }}.*,
        'all' as counted_as
    from {{ source }}
{%- endmacro %}
