{# Whether tables can be brought up to date by account on the engine (macros/refresh). Where they cannot, such models by account are ordinary tables. #}
{% macro refreshes_by_account() %}{{ return(adapter.dispatch('refreshes_by_account', 'bestand')()) }}{% endmacro %}
{% macro default__refreshes_by_account() %}{{ return(false) }}{% endmacro %}
{% macro duckdb__refreshes_by_account() %}{{ return(true) }}{% endmacro %}

{# The adapter's own table materialisation. #}
{% macro whole_table() %}{{ return(adapter.dispatch('whole_table', 'bestand')()) }}{% endmacro %}
{% macro default__whole_table() %}{{ return(dbt.materialization_table_default()) }}{% endmacro %}
{% macro duckdb__whole_table() %}{{ return(dbt.materialization_table_duckdb()) }}{% endmacro %}
{% macro spark__whole_table() %}{{ return(dbt.materialization_table_spark()) }}{% endmacro %}
