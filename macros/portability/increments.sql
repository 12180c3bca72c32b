{# Whether tables can be brought up to date by account on the engine (macros/refresh). Where they cannot, such models by account are ordinary tables. #}
{% macro refreshes_by_account() %}{{ return(adapter.dispatch('refreshes_by_account', 'bestand')()) }}{% endmacro %}
{% macro default__refreshes_by_account() %}{{ return(false) }}{% endmacro %}
{% macro duckdb__refreshes_by_account() %}{{ return(true) }}{% endmacro %}

{# The adapter's own table materialisation. #}
{% macro whole_table() %}{{ return(adapter.dispatch('whole_table', 'bestand')()) }}{% endmacro %}
{% macro default__whole_table() %}{{ return(dbt.materialization_table_default()) }}{% endmacro %}
{% macro duckdb__whole_table() %}{{ return(dbt.materialization_table_duckdb()) }}{% endmacro %}
{% macro spark__whole_table() %}{{ return(dbt.materialization_table_spark()) }}{% endmacro %}

{#
  Size and time of files, as rows (file, bytes, modified_at, is_settled): whether one has changed since can be told without reading
  it. A file of the last two seconds is not settled: the clock of files is as coarse, so that it may yet change unseen.
#}
{% macro file_states(files) %}{{ return(adapter.dispatch('file_states', 'bestand')(files)) }}{% endmacro %}
{% macro default__file_states(files) -%}
    select cast(null as string) as file, cast(null as bigint) as bytes, cast(null as timestamp) as modified_at, false as is_settled
    from (select 1 as nothing) as nothing
    where 1 = 0
{%- endmacro %}
{% macro duckdb__file_states(files) -%}
    {%- set names = [] -%}
    {%- for file in files -%}{%- do names.append("'" ~ file.replace("'", "''") ~ "'") -%}{%- endfor -%}
    select
        filename as file,
        size as bytes,
        last_modified at time zone 'UTC' as modified_at,
        last_modified < current_timestamp - interval '2' second as is_settled
    from read_blob([{{ names | join(', ') }}])
{%- endmacro %}
