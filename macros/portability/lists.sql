{# The distinct texts of a group, nulls left out, in their order, as a JSON array in text. #}
{% macro json_texts(text) %}{{ return(adapter.dispatch('json_texts', 'bestand')(text)) }}{% endmacro %}
{% macro default__json_texts(text) -%} to_json(array_sort(collect_set({{ text }}))) {%- endmacro %}
{% macro duckdb__json_texts(text) -%}
    cast(to_json(coalesce(list_sort(list(distinct {{ text }}) filter ({{ text }} is not null)), [])) as string)
{%- endmacro %}
