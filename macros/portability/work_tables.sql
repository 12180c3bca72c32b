{#
  Tables of a materialisation's own, gone when the model is done: named by work_relation, then created and dropped. Beside the
  model's table; on Spark in its own catalog, whose tables are files and nothing more: no snapshots to commit.
#}
{% macro work_relation(suffix) %}{{ return(adapter.dispatch('work_relation', 'bestand')(suffix)) }}{% endmacro %}
{% macro default__work_relation(suffix) %}
    {{ return(api.Relation.create(
        database=this.database, schema=this.schema, identifier=this.identifier ~ '__' ~ suffix, type='table'
    )) }}
{% endmacro %}
{% macro spark__work_relation(suffix) %}{{ return(work_table(this.identifier ~ '__' ~ suffix)) }}{% endmacro %}

{% macro create_work_relation(relation, query) %}
    {{- return(adapter.dispatch('create_work_relation', 'bestand')(relation, query)) -}}
{% endmacro %}
{% macro default__create_work_relation(relation, query) %}
    {%- do run_query(create_table_as(false, relation, query)) -%}
{% endmacro %}
{% macro spark__create_work_relation(relation, query) %}
    {%- do run_query('create table ' ~ relation ~ ' using parquet as ' ~ query) -%}
{% endmacro %}

{% macro drop_work_relation(relation) %}
    {{- return(adapter.dispatch('drop_work_relation', 'bestand')(relation)) -}}
{% endmacro %}
{% macro default__drop_work_relation(relation) %}{%- do adapter.drop_relation(relation) -%}{% endmacro %}
{% macro spark__drop_work_relation(relation) %}{%- do run_query('drop table if exists ' ~ relation) -%}{% endmacro %}

{# The name of a work table on Spark. #}
{% macro work_table(name) %}{{ return('spark_catalog.default.' ~ this.schema ~ '__' ~ name) }}{% endmacro %}
