{# The query of a unit test as a model's would run: on Spark with its shared CTEs stored. #}
{% macro query_of_unit_test(sql) %}{{ return(adapter.dispatch('query_of_unit_test', 'bestand')(sql)) }}{% endmacro %}
{% macro default__query_of_unit_test(sql) %}{{ return(sql) }}{% endmacro %}
{# Stored once: dbt asks for the query's columns, and for their types, before it compares. #}
{% macro spark__query_of_unit_test(sql) %}
    {%- if model.get('stored_query_of') != sql -%}
        {%- do model.update({'stored_query_of': sql, 'stored_query': with_stored_ctes(sql, model.name)}) -%}
    {%- endif -%}
    {{ return(model.stored_query) }}
{% endmacro %}
{% macro spark__get_empty_subquery_sql(select_sql, select_sql_header=none) %}
    {%- set is_unit_test = model is mapping and model.get('resource_type') == 'unit_test' -%}
    {{- return(dbt.default__get_empty_subquery_sql(
        query_of_unit_test(select_sql) if is_unit_test else select_sql, select_sql_header
    )) -}}
{% endmacro %}
