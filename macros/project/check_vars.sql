{#
  Looks at every var that a definition hangs on before anything is built: a wrong value gets one sentence that names the
  var, the value and what was expected. Runs as the first hook of each dbt command that builds.
#}
{% macro check_vars() %}
    {%- if execute -%}
        {%- for name in ['fx_max_age_days', 'involuntary_churn_after_days', 'reactivation_gap_days', 'renewal_horizon_days',
                         'small_base_threshold', 'clv_min_customers', 'clv_shrinkage_customers', 'churn_lead_days',
                         'alert_mute_days', 'alert_expiry_days', 'alert_focus_size', 'health_usage_features'] -%}
            {%- if var(name) is not integer or var(name) is boolean or var(name) < 0 -%}
                {%- do _wrong_var(name, 'a whole number, 0 or more') -%}
            {%- endif -%}
        {%- endfor -%}
        {%- for name in ['churn_horizon_days', 'champion_window_months', 'alert_grid', 'alert_history_days', 'outreach_capacity',
                         'health_refit_months', 'health_max_training_rows'] -%}
            {%- if var(name) is not integer or var(name) is boolean or var(name) < 1 -%}
                {%- do _wrong_var(name, 'a whole number, 1 or more') -%}
            {%- endif -%}
        {%- endfor -%}
        {%- set bands = var('health_bands') -%}
        {%- if bands is not mapping or bands.keys() | sort != ['amber', 'red'] or bands.values() | reject('number') | list
            or not (0 <= bands.amber <= bands.red <= 1) -%}
            {%- do _wrong_var('health_bands', 'two probabilities such as {red: 0.2, amber: 0.08}') -%}
        {%- endif -%}
        {%- if var('health_prior_churn') is not number or var('health_prior_churn') <= 0 or var('health_prior_churn') >= 1 -%}
            {%- do _wrong_var('health_prior_churn', 'a share between 0 and 1 such as 0.04') -%}
        {%- endif -%}
        {%- if var('health_ridge') is not number or var('health_ridge') is boolean or var('health_ridge') <= 0 -%}
            {%- do _wrong_var('health_ridge', 'a number above 0') -%}
        {%- endif -%}
        {%- for name in ['pause_is_churn', 'past_due_is_mrr', 'reactivation_in_net_churn'] -%}
            {%- if var(name) is not boolean -%}{%- do _wrong_var(name, 'true or false') -%}{%- endif -%}
        {%- endfor -%}
        {%- for name in ['revenue_band_limits', 'tenure_band_limits'] -%}
            {%- set limits = var(name) -%}
            {%- if limits is string or limits is mapping or limits is not sequence or not limits
                or limits | reject('number') | list or limits | sort != limits | list -%}
                {%- do _wrong_var(name, 'a list of rising numbers') -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if var('growth_goal_monthly') is not number or var('growth_goal_monthly') < 0 -%}
            {%- do _wrong_var('growth_goal_monthly', 'a share such as 0.10') -%}
        {%- endif -%}
        {%- if var('reporting_currency') not in iso_currencies() -%}
            {%- do _wrong_var('reporting_currency', 'an ISO 4217 code such as EUR') -%}
        {%- endif -%}
        {%- if var('gross_margin') is not number or var('gross_margin') is boolean
            or var('gross_margin') < 0 or var('gross_margin') > 1 -%}
            {%- do _wrong_var('gross_margin', 'a share from 0 to 1 such as 0.7') -%}
        {%- endif -%}
        {%- set kinds = var('retention_offer_kinds') -%}
        {%- set known_kinds = crm_contract()['offers']['columns']['kind']['values'] -%}
        {%- if kinds is string or kinds is mapping or kinds is not sequence or kinds | reject('in', known_kinds) | list -%}
            {%- do _wrong_var('retention_offer_kinds', 'a list of kinds of offers: ' ~ known_kinds | join(', ')) -%}
        {%- endif -%}
        {%- if var('clv_discount_rate') is not number or var('clv_discount_rate') is boolean
            or var('clv_discount_rate') < 0 or var('clv_discount_rate') > 10 -%}
            {%- do _wrong_var('clv_discount_rate', 'a yearly rate such as 0.10') -%}
        {%- endif -%}
        {%- if var('clv_horizon_months') is not integer or var('clv_horizon_months') is boolean
            or var('clv_horizon_months') < 1 or var('clv_horizon_months') > 600 -%}
            {%- do _wrong_var('clv_horizon_months', 'a whole number of months from 1 to 600') -%}
        {%- endif -%}
        {%- if var('clv_segment_dimension') and var('clv_segment_dimension') not in known_segment_dimensions() -%}
            {%- do _wrong_var('clv_segment_dimension', 'null, or one of: ' ~ known_segment_dimensions() | join(', ')) -%}
        {%- endif -%}
        {%- set months_back = var('clv_backtest_months_back') -%}
        {%- if months_back is string or months_back is mapping or months_back is not sequence
            or months_back | reject('integer') | list or months_back | select('lessthan', 1) | list
            or months_back | select('greaterthan', var('clv_horizon_months') - 1) | list -%}
            {%- do _wrong_var('clv_backtest_months_back', 'a list of whole months, each less than clv_horizon_months') -%}
        {%- endif -%}
        {%- set tiers = var('value_tiers') -%}
        {%- if tiers is not mapping or not tiers or tiers.values() | reject('number') | list
            or tiers.values() | sort != tiers.values() | list or tiers.values() | last != 1 -%}
            {%- do _wrong_var('value_tiers', 'rising shares by tier, the last of them 1, such as {A: 0.2, B: 0.5, C: 1}') -%}
        {%- endif -%}
        {%- do check_what_if() -%}
        {%- do chosen('revenue_basis', ['accrued', 'invoiced']) -%}
        {%- do chosen('acquisition_cost_grain', ['month', 'quarter', 'year']) -%}
        {%- do chosen('churn_recognition', ['service_end', 'notice']) -%}
        {%- do chosen('benchmark_assumed_period', ['month', 'quarter', 'year']) -%}
        {%- do segment_dimensions() -%}
        {%- do as_of_text() -%}
    {%- endif -%}
{% endmacro %}

{% macro _wrong_var(name, expected) %}
    {%- do exceptions.raise_compiler_error("The var " ~ name ~ " is '" ~ var(name) ~ "'; expected " ~ expected ~ '.') -%}
{% endmacro %}
