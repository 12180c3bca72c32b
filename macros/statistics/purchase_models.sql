{# Scores of customers without contract: BG/NBD (Fader, Hardie & Lee 2005) and gamma-gamma (Fader & Hardie 2013). #}

{# Probability of not having stopped: 1 for who never came back, as nobody stops before a repeat purchase. #}
{% macro bgnbd_p_alive(r, alpha, a, b, x, t_x, t) -%}
    case
        when {{ x }} = 0e0 then 1e0
        else 1e0 / (1e0 + {{ a }} / ({{ b }} + {{ x }} - 1e0)
            * exp(({{ r }} + {{ x }}) * ln(({{ alpha }} + {{ t }}) / ({{ alpha }} + {{ t_x }}))))
    end
{%- endmacro %}

{# Mean value of a customer's purchases, from the mean of those seen; of the population where none was. #}
{% macro gamma_gamma_spend(p, q, v, x, m) -%}
    ({{ p }} * ({{ v }} + {{ x }} * coalesce({{ m }}, 0e0)) / ({{ p }} * {{ x }} + {{ q }} - 1e0))
{%- endmacro %}

{#
  CTEs from `source` to `result`: adds expected_purchases, the purchases expected in the next `weeks`. The source has
  r, alpha, a, b, x, t_x, t (age) and weeks.

  The published formula is (a + b + x - 1) / (a - 1) [1 - (1 - z)^(r + x) 2F1(r + x, b + x; a + b + x - 1; z)] p_alive with
  z = weeks / (alpha + t + weeks). Euler's transform makes the bracket 1 - (1 - z)^(a - 1) (1 + (a - 1) S), and with the
  factor a - 1 cancelled nothing is lost around a = 1. S is summed from the inside out (Horner), fifteen terms a step, and each
  step only where its first term still counts, z^k >= 1e-13: deeper nesting is more than parsers bear. What is left beyond
  240 terms is an incomplete gamma function, as the terms fall like (k + shift)^beta z^k there, and is added as a continued
  fraction. Within 1e-6 of the exact value for new customers over five years, within 1e-12 for the rest (held against scipy
  in the tests).
#}
{% macro bgnbd_expected_purchases_ctes(source, result) -%}
    {%- set terms = 240 -%}
    {%- set step = 15 -%}
{{ result }}_arguments as (
    select
        *,
        weeks / (alpha + t + weeks) as z,
        ln((alpha + t) / (alpha + t + weeks)) as ln_rest,
        a + b - 1e0 - r as f_a,
        a - 1e0 as f_b,
        a + b + x - 1e0 as f_c,
        {{ bgnbd_p_alive('r', 'alpha', 'a', 'b', 'x', 't_x', 't') }} as p_alive_now
    from {{ source }}
),

{{ result }}_powers as (
    select
        *,
        f_a + f_b - f_c - 1e0 as beta,
        f_b * ln_rest as u,
        case when z >= {{ _counts_from(terms) }} then -ln(z) end as epsilon
    from {{ result }}_arguments
),

{{ result }}_shifted as (
    select
        *,
        case when epsilon is not null then
            {{ terms }}e0 + case
                when abs(beta) < 1e-6 then 0e0
                else (beta * (beta - 1e0) / 2e0 - f_a * f_b + f_c + (f_c + 1e0) * beta) / beta
            end
        end as n_tail
    from {{ result }}_powers
),

{{ result }}_tail as (
    select
        *,
        case when epsilon is not null then
            n_tail / {{ _incomplete_gamma_fraction('(epsilon * n_tail)', '(beta + 1e0)', 16) }}
            + 0.5e0 + (epsilon - beta / n_tail) / 12e0
        end as sum_{{ terms }}
    from {{ result }}_shifted
),

    {% for first in range(terms - step, -1, -step) -%}
{{ result }}_sum_{{ first }} as (
    select
        *,
        {% if first > 0 -%}
        case when z >= {{ _counts_from(first) }} then
            {{ _nested_series(first, first + step - 1, 'coalesce(sum_' ~ (first + step) ~ ', 1e0)') }}
        end as sum_{{ first }}
        {%- else -%}
        {{ _nested_series(1, step - 1, 'coalesce(sum_' ~ step ~ ', 1e0)') }} as sum_0,
        -- (1 - exp(u)) / (a - 1), by its series where that is 0 / 0
        case
            when abs(u) < 1e-4 then -ln_rest * (1e0 + u / 2e0 * (1e0 + u / 3e0 * (1e0 + u / 4e0)))
            else (1e0 - exp(u)) / f_b
        end as first_part
        {%- endif %}
    from {{ result }}_{{ 'tail' if first == terms - step else 'sum_' ~ (first + step) }}
),

    {% endfor -%}
{{ result }} as (
    select
        *,
        p_alive_now * (f_c * first_part - exp(u) * f_a * z * sum_0) as expected_purchases
    from {{ result }}_sum_0
)
{%- endmacro %}

{# The smallest z whose k-th power is not nothing beside 1. #}
{% macro _counts_from(k) -%} {{ (10 ** (-13 / k)) | round(4, 'floor') }}e0 {%- endmacro %}

{# Terms first .. last of the series, each as a multiple of the one before, and after them what `rest` stands for. #}
{% macro _nested_series(first, last, rest) -%}
    {%- for k in range(first, last + 1) -%}
    (1e0 + z * (f_a + {{ k }}e0) * (f_b + {{ k }}e0) / ((f_c + {{ k }}e0) * {{ k + 1 }}e0) * {# #}
    {%- endfor -%}
    {{ rest }}{{ ')' * (last - first + 1) }}
{%- endmacro %}

{# e^x x^-s times the incomplete gamma function (s, x) is one over this continued fraction. #}
{% macro _incomplete_gamma_fraction(x, s, depth) -%}
    {%- for m in range(1, depth + 1) -%}
    ({{ x }} + {{ 2 * m - 1 }}e0 - {{ s }} - {{ m }}e0 * ({{ m }}e0 - {{ s }}) / {# #}
    {%- endfor -%}
    ({{ x }} + {{ 2 * depth + 1 }}e0 - {{ s }}){{ ')' * depth }}
{%- endmacro %}
