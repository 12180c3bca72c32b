{#
  Since when something is known of anybody: before that, nothing known of a customer says nothing. The models of signals work
  that out of all rows; brought up to date by account they read few, and take it from int_activity_starts.
#}
{% macro activity_starts(kind) -%}
    select
        {% if kind == 'signs' -%}
        business_model,
        {% endif -%}
        starts_on as {{ {'signs': 'signs_from', 'emails': 'emails_from', 'tickets': 'base_from'}[kind] }}
    from {{ built_relation('int_activity_starts') }}
    where kind = '{{ kind }}'
{%- endmacro %}
