{#
  The system becomes the inverse of its matrix, the right-hand side the solution. Some features are exchanged per statement, for
  DuckDB in stored CTEs; where those are not, each would be worked out four times, and Spark has its arrays instead.
  `statements` keeps what was written in an earlier round: the statements differ by the table they read alone.
#}
{% macro logistic_invert(work, size, statements) %}
    {{- return(adapter.dispatch('logistic_invert', 'bestand')(work, size, statements)) -}}
{% endmacro %}
{% macro default__logistic_invert(work, size, statements) %}
    {%- for first in range(0, size, logistic_pivots()) -%}
        {%- set key = work.system ~ first -%}
        {%- if key not in statements -%}
            {%- do statements.update({key: logistic_sweeps_sql(work, first, size)}) -%}
        {%- endif -%}
        {%- do logistic_replace(work, 'swept', statements[key]) -%}
        {%- do logistic_swap(work, 'system', 'swept') -%}
    {%- endfor -%}
{% endmacro %}
{% macro spark__logistic_invert(work, size, statements) %}
    {%- do logistic_replace(work, 'swept', logistic_inverse_sql(work, size)) -%}
    {%- do logistic_swap(work, 'system', 'swept') -%}
{% endmacro %}
