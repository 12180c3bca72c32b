{#
  The accepted rows of an entity, as everything downstream reads them: without test accounts; facts that lie after the
  as-of date are null. Entities that describe an account (itself, its attributes, its manager) keep the surviving
  account's rows only.
#}
{% macro conformed(entity) %}
{%- set spec = crm_entity(entity) -%}
with validated as (
    select * from {{ ref('validated_' ~ entity) }}
),

final as (
    select
        {%- for name, column in spec.columns.items() %}
        {{ crm_conformed_column(name, column) }},
        {%- endfor %}
        {%- if spec.has_account %}
        source_account_id,
        {%- endif %}
        source_system,
        known_at as recorded_at
    from validated
    where
        disposition = 'accepted'
        and not is_test_account
        {%- if spec.get('of_survivor') %}
        and source_account_id = account_id
        {%- endif %}
)

select * from final
{%- endmacro %}

{% macro crm_conformed_column(name, column) -%}
    {%- if column.get('known_later') and column.type == 'date' -%}
        case when {{ name }} <= {{ as_of_date() }} then {{ name }} end as {{ name }}
    {%- elif column.get('known_later') -%}
        case when {{ name }} < {{ as_of_moment() }} then {{ name }} end as {{ name }}
    {%- elif column.get('derived_from') == 'employee_count' -%}
        coalesce({{ name }}, {{ size_of_employees('employee_count') }}) as {{ name }}
    {%- elif column.get('default') is not none -%}
        coalesce({{ name }}, cast({{ column.default }} as {{ crm_sql_type(column.type) }})) as {{ name }}
    {%- else -%}
        {{ name }}
    {%- endif -%}
{%- endmacro %}

{# The size class of a number of employees (var employee_bands). #}
{% macro size_of_employees(employees) -%}
    {%- set bands = var('employee_bands') -%}
    case
        when {{ employees }} >= {{ bands.large }} then 'large'
        when {{ employees }} >= {{ bands.mid }} then 'mid'
        when {{ employees }} >= 0 then 'small'
    end
{%- endmacro %}

{# The rows of an entity that were refused, each with its reasons and the values as they came. #}
{% macro quarantine(entity) %}
{%- set spec = crm_entity(entity) -%}
with validated as (
    select * from {{ ref('validated_' ~ entity) }}
),

final as (
    select
        {%- for name in spec.key %}
        {{ 'source_account_id' if name == 'account_id' else name }},
        {%- endfor %}
        {%- if spec.has_account and 'account_id' not in spec.key %}
        source_account_id,
        {%- endif %}
        source_system,
        known_at as recorded_at,
        reasons,
        raw_row
    from validated
    where disposition = 'quarantined'
)

select * from final
{%- endmacro %}
