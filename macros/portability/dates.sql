{# Calendar arithmetic whose spelling or result type differs between engines. Dates in, dates out. #}

{% macro add_months(day, months) %}{{ return(adapter.dispatch('add_months', 'bestand')(day, months)) }}{% endmacro %}
{% macro default__add_months(day, months) -%} cast(add_months({{ day }}, cast({{ months }} as int)) as date) {%- endmacro %}
{% macro duckdb__add_months(day, months) -%} cast({{ day }} + to_months(cast({{ months }} as integer)) as date) {%- endmacro %}

{% macro add_days(day, days) %}{{ return(adapter.dispatch('add_days', 'bestand')(day, days)) }}{% endmacro %}
{% macro default__add_days(day, days) -%} date_add({{ day }}, cast({{ days }} as int)) {%- endmacro %}
{% macro duckdb__add_days(day, days) -%} cast({{ day }} + cast({{ days }} as integer) as date) {%- endmacro %}

{# Whole days from one date to another. #}
{% macro days_between(from_day, to_day) %}{{ return(adapter.dispatch('days_between', 'bestand')(from_day, to_day)) }}{% endmacro %}
{% macro default__days_between(from_day, to_day) -%} datediff({{ to_day }}, {{ from_day }}) {%- endmacro %}
{% macro duckdb__days_between(from_day, to_day) -%} date_diff('day', {{ from_day }}, {{ to_day }}) {%- endmacro %}

{# First day of the month, quarter, year or ISO week (Monday) a date lies in. #}
{% macro period_start_of(grain, day) -%} cast(date_trunc('{{ grain }}', {{ day }}) as date) {%- endmacro %}

{# Calendar months between the months two dates lie in (2025-01-31 to 2025-02-01 is 1). #}
{% macro calendar_months_between(from_day, to_day) -%}
    ((extract(year from {{ to_day }}) - extract(year from {{ from_day }})) * 12
        + extract(month from {{ to_day }}) - extract(month from {{ from_day }}))
{%- endmacro %}

{# Complete months from one date to another: the largest n with from_day + n months <= to_day (to_day >= from_day). #}
{% macro complete_months_between(from_day, to_day) -%}
    ({{ calendar_months_between(from_day, to_day) }}
        - case when {{ add_months(from_day, calendar_months_between(from_day, to_day)) }} > {{ to_day }} then 1 else 0 end)
{%- endmacro %}

{# The smallest number of months n with from_day + n months >= to_day (to_day >= from_day). #}
{% macro months_to_reach(from_day, to_day) -%}
    cast({{ complete_months_between(from_day, to_day) }} + case
        when {{ add_months(from_day, complete_months_between(from_day, to_day)) }} < {{ to_day }} then 1
        else 0
    end as integer)
{%- endmacro %}

{# A UTC timestamp as local wall time in the reporting time zone, and back. #}
{% macro utc_to_local(moment) %}{{ return(adapter.dispatch('utc_to_local', 'bestand')(moment)) }}{% endmacro %}
{% macro default__utc_to_local(moment) -%} from_utc_timestamp({{ moment }}, '{{ var("reporting_time_zone") }}') {%- endmacro %}
{% macro duckdb__utc_to_local(moment) -%}
    {%- if var('reporting_time_zone') == 'UTC' -%} {{ moment }}
    {%- else -%} (({{ moment }}) at time zone 'UTC') at time zone '{{ var("reporting_time_zone") }}' {%- endif -%}
{%- endmacro %}

{% macro local_to_utc(moment) %}{{ return(adapter.dispatch('local_to_utc', 'bestand')(moment)) }}{% endmacro %}
{% macro default__local_to_utc(moment) -%} to_utc_timestamp({{ moment }}, '{{ var("reporting_time_zone") }}') {%- endmacro %}
{% macro duckdb__local_to_utc(moment) -%}
    {%- if var('reporting_time_zone') == 'UTC' -%} {{ moment }}
    {%- else -%} (({{ moment }}) at time zone '{{ var("reporting_time_zone") }}') at time zone 'UTC' {%- endif -%}
{%- endmacro %}

{# The local business day of a UTC timestamp. #}
{% macro local_day(moment) -%} cast({{ utc_to_local(moment) }} as date) {%- endmacro %}

{# How many periods of a grain lie between two period starts. #}
{% macro period_index(grain, from_start, to_start) -%}
    cast(case {{ grain }}
        when 'week' then cast({{ days_between(from_start, to_start) }} / 7 as integer)
        when 'month' then {{ calendar_months_between(from_start, to_start) }}
        when 'quarter' then cast({{ calendar_months_between(from_start, to_start) }} / 3 as integer)
        when 'year' then cast({{ calendar_months_between(from_start, to_start) }} / 12 as integer)
    end as integer)
{%- endmacro %}
