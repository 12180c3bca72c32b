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
  Discounted expected residual lifetime of a customer in his n-th period (n - 1 renewals done), just before the next
  renewal: the periods to come without limit, the next one undiscounted, `v` the discount factor of a period.
  2F1(1, beta + n; alpha + beta + n; v) as Gauss's continued fraction, which converges for monthly periods as well.
#}
{% macro sbg_derl(alpha, beta, n, v) -%}
    {%- set a = '(' ~ beta ~ ' + ' ~ n ~ ')' -%}
    {%- set c = '(' ~ alpha ~ ' + ' ~ beta ~ ' + ' ~ n ~ ' - 1e0)' -%}
    ({{ sbg_renewal_probability(alpha, beta, n) }})
    / case when {{ alpha }} + {{ beta }} > 1e6 then 1e0 - {{ v }} * {{ beta }} / ({{ alpha }} + {{ beta }}) else (
    {%- for k in range(60) -%}
        1e0 - ({{ a }} + {{ k }}e0) * ({{ c }} + {{ k }}e0) * {{ v }} / (({{ c }} + {{ 2 * k }}e0) * ({{ c }} + {{ 2 * k + 1 }}e0)) / (
        1e0 - {{ k + 1 }}e0 * ({{ c }} - {{ a }} + {{ k + 1 }}e0) * {{ v }} / (({{ c }} + {{ 2 * k + 1 }}e0) * ({{ c }} + {{ 2 * k + 2 }}e0)) / (
    {%- endfor -%}
    1e0{{ '))' * 60 }}) end
{%- endmacro %}
