{%- set groups = ['signals', 'usage', 'relationship', 'service'] -%}
with

states as (
    select * from {{ ref('int_health_states') }}
    where is_as_of or is_delta
),

reasons as (
    select * from {{ ref('int_health_reasons') }}
),

values_of_accounts as (
    select
        account_id,
        residual_clv
    from {{ ref('int_account_clv') }}
    where as_of_date = {{ as_of_date() }}
),

told as (
    select
        account_id,
        {%- for rank in range(1, 4) %}
        max(case when rank_of_risk = {{ rank }} and round(contribution, 4) > 0e0 then words end) as reason_{{ rank }},
        {%- endfor %}
        {{ json_object_of('feature', 'round(contribution, 4) + 0e0') }} as contributions
    from reasons
    group by account_id
),

final as (
    select
        states.account_id,
        {{ as_of_date() }} as as_of_date,
        states.churn_probability,
        states.health_score,
        states.band,
        states.health_score - earlier.health_score as delta_30d,
        states.log_odds,
        states.intercept,
        {%- for name in groups %}
        states.contribution_{{ name }},
        {%- endfor %}
        told.contributions,
        case
            when states.band = 'leaving' then concat('Leaves on ', cast(states.known_end_on as string))
            when told.reason_1 is not null then concat_ws('; ', told.reason_1, told.reason_2, told.reason_3)
        end as top_reasons,
        states.data_coverage,
        states.revenue_at_risk,
        states.churn_probability * values_of_accounts.residual_clv as value_at_risk,
        states.mrr,
        states.known_end_on,
        states.trained_through,
        states.model_status
    from states
    left join states as earlier  -- at most one
        on states.account_id = earlier.account_id and earlier.is_delta
    left join told on states.account_id = told.account_id  -- at most one
    left join values_of_accounts on states.account_id = values_of_accounts.account_id  -- at most one
    where states.is_as_of
)

select * from final
