{#
  The rate of an amount's currency into the reporting currency on a day: 1 for the reporting currency itself; a
  missing rate stops the build and names currency and date. A missing rate is never read as 1.
#}
{% macro required_rate(currency, day, found_rate) -%}
    case
        when {{ currency }} = '{{ var("reporting_currency") }}' then cast(1 as decimal(18, 8))
        when {{ found_rate }} is not null then cast({{ found_rate }} as decimal(18, 8))
        else cast({{ raise_in_sql(
            "concat('No exchange rate from ', " ~ currency ~ ", ' to " ~ var('reporting_currency') ~ " on ', cast(" ~ day ~ " as "
            ~ dbt.type_string() ~ "), ' or the " ~ var('fx_max_age_days') ~ " days before: add it to fx_rates.')"
        ) }} as decimal(18, 8))
    end
{%- endmacro %}

{# First day of the billing interval in force on a day: the k-th interval is counted from valid_from. #}
{% macro billing_interval_start(valid_from, interval_months, day) -%}
    {%- set intervals -%}
        cast(floor(cast({{ complete_months_between(valid_from, day) }} as double) / {{ interval_months }}) as integer)
    {%- endset -%}
    {{ add_months(valid_from, interval_months ~ ' * ' ~ intervals) }}
{%- endmacro %}
