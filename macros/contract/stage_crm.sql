{#
  The rows of one entity as they are in the source: every column of the contract and the three common ones, absent
  ones as typed nulls. Untyped formats stay text; typed columns keep a type that parsing need not touch.
#}
{% macro stage_crm(entity) %}
{%- set spec = crm_entity(entity) -%}
{%- set reads = [] -%}
{%- if crm_source() == 'seeds' -%}
    {%- if var('crm_entities', none) is none or entity in var('crm_entities') -%}
        {%- set seed = ref('demo_' ~ entity) -%}
        {%- set columns = {} -%}
        {%- if execute -%}
            {%- for column in adapter.get_columns_in_relation(seed) -%}
                {%- do columns.update({
                    column.name | lower: {'sql': adapter.quote(column.name), 'type': column.dtype}
                }) -%}
            {%- endfor -%}
            {%- if columns -%}
                {%- set problems = [] -%}
                {%- do crm_column_problems(spec, columns, ['demo_' ~ entity], problems) -%}
                {%- do raise_input_problems(problems) -%}
            {%- endif -%}
        {%- endif -%}
        {%- if not columns -%}
            {#- The seed is not loaded yet (dbt compile on a fresh database): all columns are taken to be there. -#}
            {%- for name in spec.input_columns -%}
                {%- do columns.update({name: {'sql': name, 'type': 'VARCHAR'}}) -%}
            {%- endfor -%}
        {%- endif -%}
        {%- do reads.append({'sql': seed, 'columns': columns}) -%}
    {%- endif -%}
{%- elif execute -%}
    {%- set input = crm_input(entity) -%}
    {%- do raise_input_problems(input.problems) -%}
    {%- do reads.extend(input.reads) -%}
    {%- set is_held = input.format == 'held' -%}
{%- endif -%}
-- depends_on: {{ ref('stg_crm__inputs') }}
{% if entity == 'account_history' -%}
-- depends_on: {{ ref('stg_crm__accounts') }}
{% endif -%}
{% for read in reads -%}
{{ staged_read(spec, read) }}
{%- if is_held %}
-- what a refresh has kept of accounts that are no longer delivered is no mistake of the input
where account_id in (select account_id from {{ ref('stg_crm__accounts') }})
{%- endif %}
{% if not loop.last %}
union all
{% endif %}
{%- else -%}
select
{%- for name, column in spec.input_columns.items() %}
    cast(null as {{ crm_sql_type(column.type) }}) as {{ name }}{{ ',' if not loop.last }}
{%- endfor %}
from (select 1 as nothing) as no_input
where 1 = 0
{% endfor %}
{%- endmacro %}

{# The columns of the contract from one read. #}
{% macro staged_read(spec, read) -%}
select
{%- for name, column in spec.input_columns.items() %}
    {% if name in read.columns -%}
    {%- set found = read.columns[name] -%}
    {%- set sql = as_contract_type(found.sql, found.type, column.type) -%}
    {{ sql }}{% if sql != name %} as {{ name }}{% endif %}
    {%- else -%}
    cast(null as {{ crm_sql_type(column.type) }}) as {{ name }}
    {%- endif %}
    {{- ',' if not loop.last }}
{%- endfor %}
from {{ read.sql }}
{%- endmacro %}
