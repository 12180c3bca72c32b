{#
  Small symmetric systems in SQL, written out as columns. A matrix is its lower triangle: h_11, h_21, h_22, h_31 ...
  Each step is a CTE of its own, as engines repeat the whole expression of a column that is named again in one select;
  it carries only what later steps need, as planning a statement costs more than running it on a few rows.
#}

{# The element of a symmetric matrix, whichever half it is asked for. #}
{% macro element(name, i, j) -%} {{ name }}_{{ [i, j] | max }}{{ [i, j] | min }} {%- endmacro %}

{#
  CTEs from `source` (fit_id, h_ij, g_i) to `result` (fit_id, d_i, decrement): the direction d that solves H d = g, and
  g'd. H is factored by Cholesky with g as one row more, which solves the first triangle on the way. A pivot that all but
  vanishes beside its diagonal means that the data do not tell the parameters apart: then the result is null. The
  diagonal is raised by 1e-10 of itself, so that a direction exists as long as possible.
#}
{% macro solve_ctes(source, result, size) -%}
    {%- set ns = namespace(from=source) -%}
    {%- for j in range(1, size + 1) -%}
        {%- set pivot -%}
h_{{ j }}{{ j }} * (1e0 + 1e-10){% for m in range(1, j) %} - l_{{ j }}{{ m }} * l_{{ j }}{{ m }}{% endfor %}
        {%- endset -%}
{{ result }}_column_{{ j }} as (
    select
        fit_id,
        {%- for m in range(1, j) %}
        {%- for i in range(m, size + 1) %}
        l_{{ i }}{{ m }},
        {%- endfor %}
        y_{{ m }},
        {%- endfor %}
        {%- for m in range(j + 1, size + 1) %}
        {%- for i in range(m, size + 1) %}
        h_{{ i }}{{ m }},
        {%- endfor %}
        g_{{ m }},
        {%- endfor %}
        {%- for i in range(j, size + 1) %}
        (h_{{ i }}{{ j }}{{ ' * (1e0 + 1e-10)' if i == j }}{% for m in range(1, j) %} - l_{{ i }}{{ m }} * l_{{ j }}{{ m }}{% endfor %})
        / case when {{ pivot }} > 2e-10 * h_{{ j }}{{ j }} then sqrt({{ pivot }}) end as l_{{ i }}{{ j }},
        {%- endfor %}
        (g_{{ j }}{% for m in range(1, j) %} - y_{{ m }} * l_{{ j }}{{ m }}{% endfor %})
        / case when {{ pivot }} > 2e-10 * h_{{ j }}{{ j }} then sqrt({{ pivot }}) end as y_{{ j }}
    from {{ ns.from }}
),

        {% set ns.from = result ~ '_column_' ~ j -%}
    {%- endfor %}
    {%- for j in range(size, 1, -1) -%}
{{ result }}_row_{{ j }} as (
    select
        *,
        (y_{{ j }}{% for m in range(j + 1, size + 1) %} - l_{{ m }}{{ j }} * d_{{ m }}{% endfor %}) / l_{{ j }}{{ j }} as d_{{ j }}
    from {{ ns.from }}
),

        {% set ns.from = result ~ '_row_' ~ j -%}
    {%- endfor -%}
{{ result }} as (
    select
        fit_id,
        (y_1{% for m in range(2, size + 1) %} - l_{{ m }}1 * d_{{ m }}{% endfor %}) / l_11 as d_1,
        {%- for j in range(2, size + 1) %}
        d_{{ j }},
        {%- endfor %}
        {% for j in range(1, size + 1) %}y_{{ j }} * y_{{ j }}{{ ' + ' if not loop.last }}{% endfor %} as decrement
    from {{ ns.from }}
)
{%- endmacro %}

{#
  CTEs from `source` (fit_id, h_ij, g_i) to `result` (fit_id, v_ij): the inverse of H, null where H is not positive definite.
  The inverse of the Cholesky factor first, one diagonal after the other, then its square.
#}
{% macro invert_ctes(source, result, size) -%}
{{ solve_ctes(source, result ~ '_solved', size) }},

    {% set ns = namespace(from=result ~ '_solved_column_' ~ size) -%}
    {%- for distance in range(size) -%}
{{ result }}_band_{{ distance }} as (
    select
        *
        {%- for j in range(1, size + 1 - distance) -%}
        {%- set i = j + distance %},
        {% if distance == 0 -%} 1e0 / l_{{ j }}{{ j }}
        {%- else -%}
        -({% for m in range(j, i) %}l_{{ i }}{{ m }} * w_{{ m }}{{ j }}{{ ' + ' if not loop.last }}{% endfor %}) / l_{{ i }}{{ i }}
        {%- endif %} as w_{{ i }}{{ j }}
        {%- endfor %}
    from {{ ns.from }}
),

        {% set ns.from = result ~ '_band_' ~ distance -%}
    {%- endfor -%}
{{ result }} as (
    select
        fit_id
        {%- for i in range(1, size + 1) %}
        {%- for j in range(1, i + 1) %},
        {% for m in range(i, size + 1) %}w_{{ m }}{{ i }} * w_{{ m }}{{ j }}{{ ' + ' if not loop.last }}{% endfor %} as v_{{ i }}{{ j }}
        {%- endfor %}
        {%- endfor %}
    from {{ ns.from }}
)
{%- endmacro %}
