{# Scores of contract customers: shifted beta geometric (Fader & Hardie 2007, 2010). #}

{#
  Of the customers there after `from_period` renewals, the share still there after `to_period`: S(to) / S(from). Where alpha and
  beta stand for one probability (int_renewal_fits), it no longer moves with tenure.
#}
{% macro sbg_survival_ratio(alpha, beta, from_period, to_period) -%}
    case
        when {{ alpha }} + {{ beta }} > 1e6
            then exp(({{ to_period }} - {{ from_period }}) * ln({{ beta }} / ({{ alpha }} + {{ beta }})))
        else exp(
            {{ ln_gamma('(' ~ beta ~ ' + ' ~ to_period ~ ')') }} - {{ ln_gamma('(' ~ beta ~ ' + ' ~ from_period ~ ')') }}
            - {{ ln_gamma('(' ~ alpha ~ ' + ' ~ beta ~ ' + ' ~ to_period ~ ')') }}
            + {{ ln_gamma('(' ~ alpha ~ ' + ' ~ beta ~ ' + ' ~ from_period ~ ')') }}
        )
    end
{%- endmacro %}

{# Share of those in their n-th period who renew at its end. #}
{% macro sbg_renewal_probability(alpha, beta, n) -%}
    case
        when {{ alpha }} + {{ beta }} > 1e6 then {{ beta }} / ({{ alpha }} + {{ beta }})
        else ({{ beta }} + {{ n }} - 1e0) / ({{ alpha }} + {{ beta }} + {{ n }} - 1e0)
    end
{%- endmacro %}

{#
  CTEs from `source` to `result`: adds derl, the discounted expected residual lifetime of a customer in his n-th period (n - 1
  renewals done), just before the next renewal: the periods to come without limit, the next one undiscounted. The source
  has alpha, beta, n and v, the discount factor of a period.

  S(n) / S(n - 1) times 2F1(1, beta + n; alpha + beta + n; v), as Gauss's continued fraction: it converges for monthly periods as
  well, where the series would take thousands of terms. From inside out: first where its coefficients have settled, then
  eight pairs of them at a time, as deeper nesting is more than parsers bear.
#}
{% macro sbg_derl_ctes(source, result) -%}
{{ result }}_arguments as (
    select
        *,
        cast(beta + n as double) as g_a,
        cast(alpha + beta + n - 1e0 as double) as g_c,
        (1e0 + sqrt(1e0 - v)) / 2e0 as fraction_120
    from {{ source }}
),

    {% for last in range(120, 0, -8) -%}
{{ result }}_{{ last - 8 }} as (
    select
        *,
        {% for k in range(last - 8, last) -%}
        1e0 - (g_a + {{ k }}e0) * (g_c + {{ k }}e0) * v / ((g_c + {{ 2 * k }}e0) * (g_c + {{ 2 * k + 1 }}e0)) / (
        1e0 - {{ k + 1 }}e0 * (g_c - g_a + {{ k + 1 }}e0) * v / ((g_c + {{ 2 * k + 1 }}e0) * (g_c + {{ 2 * k + 2 }}e0)) / (
        {%- endfor -%}
        fraction_{{ last }}{{ '))' * 8 }} as fraction_{{ last - 8 }}
    from {{ result }}_{{ 'arguments' if last == 120 else last }}
),

    {% endfor -%}
{{ result }} as (
    select
        *,
        case
            when alpha + beta > 1e6 then beta / (alpha + beta) / (1e0 - v * beta / (alpha + beta))
            else ({{ sbg_renewal_probability('alpha', 'beta', 'n') }}) / fraction_0
        end as derl
    from {{ result }}_0
)
{%- endmacro %}
