{#
  The one "today" of a build (metrics.md section 1): the state at 00:00 of the as-of date in the reporting time zone.
  No model reads the clock.

  The environment variable is for who builds every day: dbt reads the whole project anew when a var has changed, and not for this.
  While it reads the project no day is needed, and none is asked for, or it would keep the variable as one it hangs on.
#}
{% macro as_of_text() %}
    {%- set given = var('as_of_date', none) -%}
    {%- if not given and var('crm_source', 'seeds') == 'seeds' -%}
        {%- set given = var('demo_as_of_date') -%}
    {%- elif not given -%}
        {%- set given = env_var('BESTAND_AS_OF_DATE', '') if execute else var('demo_as_of_date') -%}
    {%- endif -%}
    {%- if not given -%}
        {%- do exceptions.raise_compiler_error(
            "The var as_of_date is missing: give the day the build is for, e.g. --vars '{as_of_date: 2026-07-01}'.") -%}
    {%- endif -%}
    {%- set text = given | string -%}
    {%- if not modules.re.match('^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$', text) -%}
        {%- do exceptions.raise_compiler_error("The var as_of_date is '" ~ text ~ "'; expected a day as YYYY-MM-DD.") -%}
    {%- endif -%}
    {%- set first = modules.datetime.date(text[:4] | int, text[5:7] | int, 1) -%}
    {%- if (first + modules.datetime.timedelta(days=text[8:] | int - 1)).month != first.month -%}
        {%- do exceptions.raise_compiler_error("The var as_of_date is '" ~ text ~ "'; there is no such day.") -%}
    {%- endif -%}
    {{ return(text) }}
{% endmacro %}

{# As a date. #}
{% macro as_of_date() -%}
    cast('{{ as_of_text() }}' as date)
{%- endmacro %}

{# As the UTC moment before which something must have been recorded to be known. #}
{% macro as_of_moment() -%}
    {{ local_to_utc("cast('" ~ as_of_text() ~ " 00:00:00' as timestamp)") }}
{%- endmacro %}
