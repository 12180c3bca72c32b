{%- set groups = ['signals', 'usage', 'relationship', 'service'] -%}
with

states as (
    select * from {{ ref('int_health_states') }}
    where is_month_start
),

final as (
    select
        states.account_id,
        states.grid_date as as_of_date,
        states.churn_probability,
        states.health_score,
        states.band,
        states.health_score - earlier.health_score as delta_previous_month,
        states.log_odds,
        states.intercept,
        {%- for name in groups %}
        states.contribution_{{ name }},
        {%- endfor %}
        states.data_coverage,
        states.revenue_at_risk,
        states.mrr,
        states.known_end_on,
        states.trained_through,
        states.model_status
    from states
    left join states as earlier  -- at most one
        on states.account_id = earlier.account_id and earlier.grid_date = {{ add_months('states.grid_date', -1) }}
)

select * from final
