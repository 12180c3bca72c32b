{%- set groups = ['signals', 'usage', 'relationship', 'service'] -%}
with

customers as (
    select * from {{ ref('int_customer_dates') }}
    where relationship = 'contract'
),

scores as (
    select * from {{ ref('int_health_scores') }}
),

states as (
    select * from {{ ref('int_signal_states') }}
    where signal <> 'no_purchase'
),

covered as (
    select
        grid_date,
        account_id,
        cast(sum(case when has_data then 1 else 0 end) as double) / count(*) as data_coverage
    from states
    group by grid_date, account_id
),

-- who is known to leave within the horizon is not scored: it is certain
judged as (
    select
        customers.grid_date,
        customers.is_month_start,
        customers.is_as_of,
        customers.is_delta,
        customers.account_id,
        customers.mrr,
        customers.known_end_on,
        scores.trained_through,
        scores.model_status,
        scores.intercept,
        scores.log_odds,
        scores.churn_probability,
        {%- for name in groups %}
        scores.contribution_{{ name }},
        {%- endfor %}
        covered.data_coverage,
        customers.known_end_on is not null
        and customers.known_end_on <= {{ horizon_end('customers.grid_date') }} as is_leaving
    from customers
    inner join scores  -- exactly one
        on customers.grid_date = scores.grid_date and customers.account_id = scores.account_id
    left join covered  -- at most one
        on customers.grid_date = covered.grid_date and customers.account_id = covered.account_id
),

decided as (
    select
        grid_date,
        is_month_start,
        is_as_of,
        is_delta,
        account_id,
        case when is_leaving then 1e0 else churn_probability end as churn_probability,
        is_leaving,
        case when not is_leaving then log_odds end as log_odds,
        case when not is_leaving then intercept end as intercept,
        {%- for name in groups %}
        case when not is_leaving then contribution_{{ name }} end as contribution_{{ name }},
        {%- endfor %}
        data_coverage,
        mrr,
        known_end_on,
        case when not is_leaving then trained_through end as trained_through,
        case when is_leaving then 'known_end' else model_status end as model_status
    from judged
),

final as (
    select
        grid_date,
        is_month_start,
        is_as_of,
        is_delta,
        account_id,
        churn_probability,
        {{ health_score('churn_probability') }} as health_score,
        {{ health_band('churn_probability', 'is_leaving') }} as band,
        log_odds,
        intercept,
        {%- for name in groups %}
        contribution_{{ name }},
        {%- endfor %}
        data_coverage,
        cast(round(churn_probability * cast(mrr as double), 4) as decimal(38, 4)) as revenue_at_risk,
        mrr,
        known_end_on,
        trained_through,
        model_status
    from decided
)

select * from final
