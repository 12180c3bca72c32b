{#
  dbt compares the doubles of a unit test to the last bit, and that bit of ln, exp and power is the platform's. Unit tests that
  set `overrides: {vars: {unit_test_places: 9}}` have doubles compared to so many places; all others are dbt's own.
#}
{% macro default__get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names) -%}
    {%- set main_sql = query_of_unit_test(main_sql) -%}
    {%- set places = (model.overrides or {}).get('vars', {}).get('unit_test_places') -%}
    {%- set compared = [] -%}
    {%- if places -%}
        {%- set doubles = [] -%}
        {%- for column in adapter.get_column_schema_from_query(get_empty_subquery_sql(main_sql)) if 'DOUBLE' in column.dtype | upper -%}
            {%- do doubles.append(column.name | lower) -%}
        {%- endfor -%}
        {%- for name in expected_column_names -%}
            {#- what is rounded to nothing is 0, not -0 -#}
            {%- do compared.append(
                'round(' ~ name ~ ', ' ~ places ~ ') + 0e0 as ' ~ name if name | replace('"', '') | replace('`', '') | lower in doubles
                else name
            ) -%}
        {%- endfor -%}
    {%- else -%}
        {%- do compared.extend(expected_column_names) -%}
    {%- endif -%}
with dbt_internal_unit_test_actual as (
  select
    {{ compared | join(', ') }}, {{ dbt.string_literal("actual") }} as {{ adapter.quote("actual_or_expected") }}
  from (
    {{ main_sql }}
  ) _dbt_internal_unit_test_actual
),
dbt_internal_unit_test_expected as (
  select
    {{ compared | join(', ') }}, {{ dbt.string_literal("expected") }} as {{ adapter.quote("actual_or_expected") }}
  from (
    {{ expected_fixture_sql }}
  ) _dbt_internal_unit_test_expected
)
select * from dbt_internal_unit_test_actual
union all
select * from dbt_internal_unit_test_expected
{%- endmacro %}
