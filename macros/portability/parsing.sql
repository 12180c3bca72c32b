{#
  Parsing of one raw value, text or already typed: the value, or null where it is none. Whether a null came from an
  empty or an unreadable value is asked afterwards, and only of the nulls.
#}
{% macro parse_value(type, raw, is_currency=false) %}
    {%- if type == 'text' -%}
        {%- set text = "nullif(trim(" ~ raw ~ "), '')" -%}
        {{ return('upper(' ~ text ~ ')' if is_currency else text) }}
    {%- elif type == 'boolean' -%}
        {{ return(parse_boolean(raw)) }}
    {%- elif type == 'integer' -%}
        {{ return(parse_integer(raw)) }}
    {%- elif type == 'date' -%}
        {{ return(parse_date(raw)) }}
    {%- elif type == 'timestamp' -%}
        {{ return(parse_timestamp(raw)) }}
    {%- else -%}
        {{ return('try_cast(' ~ raw ~ ' as ' ~ crm_sql_type(type) ~ ')') }}
    {%- endif -%}
{% endmacro %}

{% macro parse_boolean(raw) -%}
    case lower(trim(cast({{ raw }} as string)))
        when 'true' then true when 't' then true when '1' then true when 'yes' then true
        when 'false' then false when 'f' then false when '0' then false when 'no' then false
    end
{%- endmacro %}

{# 3 and 3.0 are whole numbers; 3.7 is none, and is not rounded to one. #}
{% macro parse_integer(raw) -%}
    case
        when try_cast({{ raw }} as decimal(38, 9)) = round(try_cast({{ raw }} as decimal(38, 9)), 0)
            then try_cast(try_cast({{ raw }} as decimal(38, 9)) as integer)
    end
{%- endmacro %}

{# A date may carry a time as long as it is midnight, as some writers add one; any other time is no date. #}
{% macro parse_date(raw) %}{{ return(adapter.dispatch('parse_date', 'bestand')(raw)) }}{% endmacro %}
{% macro spark__parse_date(raw) -%}
    case when {{ starts_with_day(raw) }} then {{ default__parse_date(raw) }} end
{%- endmacro %}
{% macro default__parse_date(raw) -%}
    case
        when cast(try_cast({{ raw }} as date) as timestamp) = {{ cast_moment(raw, 'timestamp') }}
            and try_cast({{ raw }} as date) between date '0001-01-01' and date '9999-12-31'
            then try_cast({{ raw }} as date)
    end
{%- endmacro %}

{# Without an offset a timestamp is UTC; with one it is converted. Spark's cast does so by itself (session in UTC). #}
{% macro parse_timestamp(raw) %}{{ return(adapter.dispatch('parse_timestamp', 'bestand')(raw)) }}{% endmacro %}
{% macro default__parse_timestamp(raw) -%} try_cast({{ raw }} as timestamp) {%- endmacro %}
{% macro spark__parse_timestamp(raw) -%}
    case
        when {{ starts_with_day(raw) }}
            and try_cast({{ raw }} as timestamp)
            between timestamp '0001-01-01 00:00:00' and timestamp '9999-12-31 23:59:59'
            then try_cast({{ raw }} as timestamp)
    end
{%- endmacro %}
{# Spark reads 2026 and 2026-07 as the first day in them, and 12:30 as a moment of today. #}
{% macro starts_with_day(raw) -%} cast({{ raw }} as string) rlike '^ *[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}' {%- endmacro %}
{# DuckDB's cast of text to timestamp drops the offset: only a timestamp with time zone heeds it (session in UTC). #}
{% macro duckdb__parse_timestamp(raw) -%}
    case
        when try_cast({{ cast_moment(raw, 'timestamp with time zone') }} as timestamp)
            between timestamp '0001-01-01 00:00:00' and timestamp '9999-12-31 23:59:59'
            then try_cast({{ cast_moment(raw, 'timestamp with time zone') }} as timestamp)
    end
{%- endmacro %}

{# DuckDB reads a day with a blank behind it as a date, but not as a moment. Only what was none is trimmed and tried again. #}
{% macro cast_moment(raw, type) %}{{ return(adapter.dispatch('cast_moment', 'bestand')(raw, type)) }}{% endmacro %}
{% macro default__cast_moment(raw, type) -%} try_cast({{ raw }} as {{ type }}) {%- endmacro %}
{% macro duckdb__cast_moment(raw, type) -%}
    coalesce(try_cast({{ raw }} as {{ type }}), try_cast(rtrim(cast({{ raw }} as string)) as {{ type }}))
{%- endmacro %}
