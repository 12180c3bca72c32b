{#
  Gamma-gamma (Fader & Hardie 2013): a customer's purchases vary around a mean of his own (gamma: p), and those means are
  spread over customers (gamma: q, v); the mean is independent of how often he buys.
  Statistics: x repeat purchases, m their mean value, n customers alike. Fitted in ln p, ln q, ln p v from moments: in
  ln v the likelihood has a long curved ridge on which the steps diverge.
#}
{% macro gamma_gamma_family() %}
    {{ return({
        'parameters': ['p', 'q', 'pv'],
        'statistics': [
            'cast(statistics.n as double) as n',
            'cast(statistics.x as double) as x',
            'cast(statistics.m as double) as m'
        ],
        'customers': 'sum(n)',
        'starts': {
            'p': _gamma_gamma_start('2e0 * ({q} - 1e0) / ({q} - 2e0) * (sum(n / x) / sum(n)) / nullif({cv2}, 0e0)'),
            'q': _gamma_gamma_start('{q}'),
            'pv': _gamma_gamma_start('(sum(n * m) / sum(n)) * ({q} - 1e0)')
        },
        'refusals': {'no_spend': 'coalesce(sum(n * m), 0e0) <= 0e0'},
        'information': false,
        'natural': [
            {'name': 'p', 'sql': 'exp(p_1)'}, {'name': 'q', 'sql': 'exp(p_2)'}, {'name': 'v', 'sql': 'exp(p_3 - p_1)'}
        ]
    }) }}
{% endmacro %}

{# Half of the squared coefficient of variation is laid to differences between customers, half to those within. #}
{% macro _gamma_gamma_start(formula) -%}
    {%- set variance = '(sum(n * m * m) / sum(n) - (sum(n * m) / sum(n)) * (sum(n * m) / sum(n)))' -%}
    {%- set cv2 = '(' ~ variance ~ ' / nullif((sum(n * m) / sum(n)) * (sum(n * m) / sum(n)), 0e0))' -%}
    {%- set q = '(2e0 + 2e0 / nullif(' ~ cv2 ~ ', 0e0))' -%}
    {{ return(formula.replace('{q}', q).replace('{cv2}', cv2)) }}
{%- endmacro %}

{% macro gamma_gamma_terms(statistics) -%}
    arguments as (
        select
            statistics.fit_id,
            statistics.n,
            statistics.x,
            statistics.m,
            running.e_1 as p,
            running.e_2 as q,
            running.e_3 / running.e_1 as v,
            running.e_1 * statistics.x as p_x,
            running.e_1 * statistics.x + running.e_2 as p_x_q,
            ln(statistics.m) as ln_m,
            ln(statistics.x) as ln_x,
            ln(running.e_3 / running.e_1) as ln_v,
            ln(statistics.x * statistics.m + running.e_3 / running.e_1) as ln_total,
            statistics.x * statistics.m + running.e_3 / running.e_1 as total
        from {{ statistics }} as statistics
        inner join running on statistics.fit_id = running.fit_id
    ),

    derived as (
        select
            *,
            {{ ln_gamma('p_x_q') }} - {{ ln_gamma('p_x') }} - {{ ln_gamma('q') }}
            + q * ln_v + (p_x - 1e0) * ln_m + p_x * ln_x - p_x_q * ln_total as ll,
            p_x * ({{ digamma('p_x_q') }} - {{ digamma('p_x') }} + ln_m + ln_x - ln_total) as p_by_p,
            q * ({{ digamma('p_x_q') }} - {{ digamma('q') }} + ln_v - ln_total) as q_by_q,
            q - p_x_q * v / total as v_by_v
        from arguments
    ),

    terms as (
        select
            fit_id,
            n,
            ll,
            p_by_p - v_by_v as s_1,
            q_by_q as s_2,
            v_by_v as s_3
        from derived
    )
{%- endmacro %}
