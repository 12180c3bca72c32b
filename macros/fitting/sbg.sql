{#
  Shifted beta geometric (Fader & Hardie 2007): every customer leaves at each renewal with a probability of his own,
  and those probabilities are spread as a beta distribution over customers. Who is still there after i - 1 periods leaves in
  period i with h_i = alpha / (alpha + beta + i - 1): it falls with tenure as those likely to leave have left.
  Statistics: period, at_risk, churned. The information is the expected one of a binomial per period.
#}
{% macro sbg_family() %}
    {{ return({
        'parameters': ['alpha', 'beta'],
        'statistics': [
            'cast(1 as double) as n',
            'cast(statistics.period as double) as period',
            'cast(statistics.at_risk as double) as at_risk',
            'cast(statistics.churned as double) as churned'
        ],
        'customers': 'sum(case when period = 1e0 then at_risk else 0e0 end)',
        'starts': {
            'alpha': '1e0',
            'beta': 'sum(at_risk - churned) / nullif(sum(churned), 0e0)'
        },
        'refusals': {
            'nobody_left': 'sum(churned) = 0e0',
            'everybody_left': 'sum(churned) = sum(at_risk)',
            'not_identified': 'max(period) < 2e0'
        },
        'information': true,
        'natural': [{'name': 'alpha', 'sql': 'exp(p_1)'}, {'name': 'beta', 'sql': 'exp(p_2)'}]
    }) }}
{% endmacro %}

{% macro sbg_terms(statistics) -%}
    hazards as (
        select
            statistics.*,
            running.e_1 as alpha,
            running.e_2 as beta,
            running.e_1 + running.e_2 + statistics.period - 1e0 as total,
            running.e_2 + statistics.period - 1e0 as staying
        from {{ statistics }} as statistics
        inner join running on statistics.fit_id = running.fit_id
    ),

    -- with h = alpha / total: the derivatives of h by the logarithms are h (1 - h) and -alpha beta / total^2
    terms as (
        select
            fit_id,
            n,
            churned * ln(alpha) + (at_risk - churned) * ln(staying) - at_risk * ln(total) as ll,
            churned - at_risk * alpha / total as s_1,
            (at_risk - churned) * beta / staying - at_risk * beta / total as s_2,
            at_risk * alpha * staying / (total * total) as i_11,
            -at_risk * alpha * beta / (total * total) as i_21,
            at_risk * alpha * beta * beta / (staying * total * total) as i_22
        from hazards
    )
{%- endmacro %}
