{# The vars whose value is one of a list, checked where they are used. #}
{% macro chosen(name, allowed) %}
    {%- set value = var(name) -%}
    {%- if value not in allowed -%}
        {%- do exceptions.raise_compiler_error(
            "The var " ~ name ~ " is '" ~ value ~ "'; expected one of: " ~ allowed | join(', ') ~ '.') -%}
    {%- endif -%}
    {{ return(value) }}
{% endmacro %}

{# The end of what has no end yet. #}
{% macro open_end() -%} cast('9999-12-31' as date) {%- endmacro %}
