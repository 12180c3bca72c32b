{# The last day of the horizon of a date, whose knowledge judges it. #}
{% macro horizon_end(day) -%} {{ add_days(day, var('churn_lead_days') + var('churn_horizon_days')) }} {%- endmacro %}

{#
  Signals that the score leaves out: whoever is known to leave is not scored but reported as leaving, and no_purchase speaks of
  customers without contract.
#}
{% macro signals_not_scored() -%} ('cancelled_running', 'contract_ending', 'no_purchase') {%- endmacro %}

{# How a feature made of a signal or a product feature begins, up to its colon; any other is its own kind. #}
{% macro feature_kind(feature) -%} split_part({{ feature }}, ':', 1) {%- endmacro %}

{# ... and what it is about. #}
{% macro feature_subject(feature) -%} substring({{ feature }}, length({{ feature_kind(feature) }}) + 2) {%- endmacro %}

{#
  How strongly the weights are drawn to their priors (precision, per weight). A loss stands in as many observations as the
  horizon has months, so the history is worth that much less than it has rows. A signal may well weigh 1 more or less than its
  prior says; what a standard deviation of another feature weighs, of which there are many that say the same, is likely smaller.
#}
{% macro health_precision(of_signal) -%}
    cast({{ var('health_ridge') }} as double) * cast({{ [var('churn_horizon_days') / 30, 1] | max }} as double)
    * {{ '1e0' if of_signal else '5e0' }}
{%- endmacro %}

{#
  x in standard deviations from the centre of the training data, null without a scale. More than three count as three: a
  weight is learned where the customers are, and must not be carried on to where hardly one of them is.
#}
{% macro health_standardised(x, scales) -%}
    case
        when {{ scales }}.scale > 0e0 and {{ x }} is not null  -- the least of something and nothing is something
            then greatest(-3e0, least(3e0, ({{ x }} - {{ scales }}.centre) / {{ scales }}.scale))
    end
{%- endmacro %}

{# What a feature adds to the log-odds. #}
{% macro health_contribution(x, weights) -%}
    coalesce({{ weights }}.weight * {{ health_standardised(x, weights) }}, 0e0)
{%- endmacro %}

{# health_score and band of a churn probability; who is known to leave within the horizon has a band of its own. #}
{% macro health_score(probability) -%} cast(round(100e0 * (1e0 - {{ probability }})) as integer) {%- endmacro %}

{% macro health_band(probability, is_leaving) -%}
    case
        when {{ is_leaving }} then 'leaving'
        when {{ probability }} >= cast({{ var('health_bands').red }} as double) then 'red'
        when {{ probability }} >= cast({{ var('health_bands').amber }} as double) then 'amber'
        else 'green'
    end
{%- endmacro %}
