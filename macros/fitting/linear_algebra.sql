{#
  Small vectors and symmetric matrices in SQL, written out as columns. A matrix is its lower triangle: h_11, h_21, h_22, h_31 ...
  Each step of a calculation is a CTE of its own, as engines repeat the whole expression of a column that is named again in
  one select; it carries only what later steps need, as planning a statement costs more than running it on a few rows.
#}

{# The element of a symmetric matrix, whichever half it is asked for. #}
{% macro element(name, i, j) -%} {{ name }}_{{ [i, j] | max }}{{ [i, j] | min }} {%- endmacro %}

{# The product of two vectors, u_1 * v_1 + u_2 * v_2 ... #}
{% macro dot(u, v, size) -%}
    {% for i in range(1, size + 1) %}{{ u }}_{{ i }} * {{ v }}_{{ i }}{{ ' + ' if not loop.last }}{% endfor %}
{%- endmacro %}

{# Element i of a symmetric matrix times a vector. #}
{% macro row_times(matrix, i, v, size) -%}
    {% for j in range(1, size + 1) %}{{ element(matrix, i, j) }} * {{ v }}_{{ j }}{{ ' + ' if not loop.last }}{% endfor %}
{%- endmacro %}

{#
  CTEs from `source` (fit_id, h_ij) to `result` (fit_id, v_ij): the inverse of H, null where H is not positive definite. H is
  factored by Cholesky, the factor inverted one diagonal after the other, and squared. A pivot that all but vanishes beside
  its diagonal means that the data do not tell the parameters apart. The diagonal is raised by 1e-10 of itself, so that an
  inverse exists as long as possible.
#}
{% macro invert_ctes(source, result, size) -%}
    {%- set ns = namespace(from=source) -%}
    {%- for j in range(1, size + 1) -%}
        {%- set pivot -%}
h_{{ j }}{{ j }} * (1e0 + 1e-10){% for m in range(1, j) %} - l_{{ j }}{{ m }} * l_{{ j }}{{ m }}{% endfor %}
        {%- endset -%}
{{ result }}_column_{{ j }} as (
    select
        fit_id
        {%- for m in range(1, j) %}
        {%- for i in range(m, size + 1) %},
        l_{{ i }}{{ m }}
        {%- endfor %}
        {%- endfor %}
        {%- for m in range(j + 1, size + 1) %}
        {%- for i in range(m, size + 1) %},
        h_{{ i }}{{ m }}
        {%- endfor %}
        {%- endfor %}
        {%- for i in range(j, size + 1) %},
        (h_{{ i }}{{ j }}{{ ' * (1e0 + 1e-10)' if i == j }}{% for m in range(1, j) %} - l_{{ i }}{{ m }} * l_{{ j }}{{ m }}{% endfor %})
        / case when {{ pivot }} > 2e-10 * h_{{ j }}{{ j }} then sqrt({{ pivot }}) end as l_{{ i }}{{ j }}
        {%- endfor %}
    from {{ ns.from }}
),

        {% set ns.from = result ~ '_column_' ~ j -%}
    {%- endfor %}
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
