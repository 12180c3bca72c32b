{# Stops the statement with a message; `message` is an SQL expression. For gates that must name what is wrong. #}
{% macro raise_in_sql(message) %}{{ return(adapter.dispatch('raise_in_sql', 'bestand')(message)) }}{% endmacro %}
{% macro default__raise_in_sql(message) -%} raise_error({{ message }}) {%- endmacro %}
{% macro duckdb__raise_in_sql(message) -%} error({{ message }}) {%- endmacro %}
