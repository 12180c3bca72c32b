{#
  Whatever dbt changes in the working database, it no longer is the complete build that a refresh has left there and
  `bestand publish` would publish. A hook of every dbt command that builds; the refresh notes its own build when it is done.
#}
{% macro forget_build() %}{{ return(adapter.dispatch('forget_build', 'bestand')()) }}{% endmacro %}
{% macro default__forget_build() %}{% endmacro %}
{% macro duckdb__forget_build() %}drop table if exists operations.last_build{% endmacro %}
