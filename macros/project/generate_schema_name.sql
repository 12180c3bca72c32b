{# Schemas carry their plain names (marts, conformed ...), with an optional prefix for a shared warehouse. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set plain = (custom_schema_name or target.schema) | trim -%}
    {%- if var('schema_prefix', '') -%}{{ var('schema_prefix') }}_{{ plain }}{%- else -%}{{ plain }}{%- endif -%}
{%- endmacro %}
