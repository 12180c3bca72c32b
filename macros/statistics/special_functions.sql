{#
  Special functions in plain arithmetic, the same on every engine (Spark has neither of them). The argument is greater
  than 0; give a column, as it is repeated. Both move the argument up by eight and sum an asymptotic series there:
  exact to about 1e-13. Nested as t_0 (1 - q_1 / y^2 (1 - q_2 / y^2 (...))), with q the ratio of consecutive terms.
#}

{% macro _asymptotic_series(first_term, ratios, y) -%}
    {{ first_term }}
    {%- for ratio in ratios %} * (1e0 - {{ ratio }} / ({{ y }} * {{ y }}){% endfor -%}
    {{ ')' * ratios | length }}
{%- endmacro %}

{# ln of the gamma function. #}
{% macro ln_gamma(z) -%}
    {%- set y = '(' ~ z ~ ' + 8e0)' -%}
    (
        ({{ y }} - 0.5e0) * ln({{ y }}) - {{ y }} + 0.918938533204672742e0
        + {{ _asymptotic_series(
            '1e0 / (12e0 * ' ~ y ~ ')',
            ['1e0 / 30e0', '2e0 / 7e0', '3e0 / 4e0', '140e0 / 99e0', '2073e0 / 910e0'], y
        ) }}
        - ln({% for i in range(8) %}({{ z }} + {{ i }}e0){{ ' * ' if not loop.last }}{% endfor %})
    )
{%- endmacro %}

{# Its derivative. #}
{% macro digamma(z) -%}
    {%- set y = '(' ~ z ~ ' + 8e0)' -%}
    (
        ln({{ y }}) - 0.5e0 / {{ y }}
        - {{ _asymptotic_series(
            '1e0 / (12e0 * ' ~ y ~ ' * ' ~ y ~ ')',
            ['1e0 / 10e0', '10e0 / 21e0', '21e0 / 20e0', '20e0 / 11e0', '7601e0 / 2730e0'], y
        ) }}
        {%- for i in range(8) %} - 1e0 / ({{ z }} + {{ i }}e0){% endfor %}
    )
{%- endmacro %}
