{# The last day of the horizon of a date, whose knowledge judges it. #}
{% macro horizon_end(day) -%} {{ add_days(day, var('churn_lead_days') + var('churn_horizon_days')) }} {%- endmacro %}

{#
  Signals that the score leaves out: whoever is known to leave is not scored but reported as leaving, and no_purchase speaks of
  customers without contract.
#}
{% macro signals_not_scored() %}{{ return(['cancelled_running', 'contract_ending', 'no_purchase']) }}{% endmacro %}

{# How a feature made of a signal or a product feature begins, up to its colon; any other is its own kind. #}
{% macro feature_kind(feature) -%} split_part({{ feature }}, ':', 1) {%- endmacro %}

{# ... and what it is about. #}
{% macro feature_subject(feature) -%} substring({{ feature }}, length({{ feature_kind(feature) }}) + 2) {%- endmacro %}

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
