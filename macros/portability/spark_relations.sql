{#
  What there is in a schema, as dbt-spark wants it: schema, name, nothing, information. Its own way fails on a schema that is
  not there yet, knows no views of Iceberg, and asks once for every table.
#}
{% macro spark__list_relations_without_caching(relation) %}
    {%- set found = [] -%}
    {%- if run_query("show schemas like '" ~ relation.schema ~ "'") | length > 0 -%}
        {%- set views = [] -%}
        {%- for row in run_query('show views in ' ~ relation.schema) -%}
            {%- do views.append(row[1]) -%}
            {%- do found.append([relation.schema, row[1], false, 'Type: VIEW\n']) -%}
        {%- endfor -%}
        {%- for row in run_query('show tables in ' ~ relation.schema) if row[1] not in views -%}
            {%- do found.append([relation.schema, row[1], false, 'Type: TABLE\nProvider: iceberg\n']) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(found) }}
{% endmacro %}
