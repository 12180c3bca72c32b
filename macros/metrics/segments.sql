{# The segment dimensions the project knows; the var segment_dimensions chooses among them. #}
{% macro known_segment_dimensions() %}
    {{ return([
        'business_model', 'industry', 'company_size', 'country_code', 'region', 'acquisition_channel',
        'plan', 'plan_tier', 'contract_length', 'revenue_band', 'tenure_band', 'account_manager',
    ]) }}
{% endmacro %}

{% macro segment_dimensions() %}
    {%- set known = known_segment_dimensions() -%}
    {%- set chosen = var('segment_dimensions') -%}
    {%- if chosen is string or chosen is mapping -%}
        {%- do exceptions.raise_compiler_error("The var segment_dimensions must be a list of dimensions, not '" ~ chosen ~ "'.") -%}
    {%- endif -%}
    {%- for dimension in chosen if dimension not in known -%}
        {%- do exceptions.raise_compiler_error(
            "The var segment_dimensions names '" ~ dimension ~ "'; known are: " ~ known | join(', ') ~ '.') -%}
    {%- endfor -%}
    {{ return(chosen) }}
{% endmacro %}

{#
  From one row per thing with a column per dimension to grouping sets: the whole and each dimension by itself.
  In a grouping set every other dimension is null, and no dimension is ever null in the data, so the only one
  that is not null names the set.
#}
{% macro segment_grouping_sets(keys, dimensions) -%}
    grouping sets (
        ({{ keys | join(', ') }})
        {%- for dimension in dimensions %},
        ({{ (keys + [dimension]) | join(', ') }})
        {%- endfor %}
    )
{%- endmacro %}

{% macro segment_dimension_of_set(dimensions) -%}
    {%- if dimensions -%}
    case
        {%- for dimension in dimensions %}
        when {{ dimension }} is not null then '{{ dimension }}'
        {%- endfor %}
        else 'all'
    end
    {%- else -%}
    'all'
    {%- endif -%}
{%- endmacro %}

{% macro segment_value_of_set(dimensions) -%}
    coalesce({% for dimension in dimensions %}{{ dimension }}, {% endfor %}'all')
{%- endmacro %}

{# Bands of a value between rising limits, numbered so that they sort as text. #}
{% macro band(value, limits, unit='') -%}
    case
        when {{ value }} is null then 'unknown'
        {%- for limit in limits %}
        {%- set from = '' if loop.first else limits[loop.index0 - 1] ~ ' to ' %}
        when {{ value }} < {{ limit }} then '{{ loop.index }}: {{ from }}under {{ limit }}{{ unit }}'
        {%- endfor %}
        else '{{ limits | length + 1 }}: {{ limits[-1] }}{{ unit }} and more'
    end
{%- endmacro %}

{% macro revenue_band(mrr) -%}
    {{ band(mrr, var('revenue_band_limits')) }}
{%- endmacro %}

{% macro tenure_band(months) -%}
    {{ band(months, var('tenure_band_limits'), ' months') }}
{%- endmacro %}

{% macro contract_length(term_months) -%}
    case
        when {{ term_months }} is null then 'unknown'
        when {{ term_months }} <= 1 then 'month to month'
        when {{ term_months }} < 12 then 'under 1 year'
        when {{ term_months }} < 24 then '1 year'
        else '2 years and longer'
    end
{%- endmacro %}
