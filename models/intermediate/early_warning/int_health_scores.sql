{%- set groups = ['signals', 'usage', 'relationship', 'service'] -%}
with

customers as (
    select * from {{ ref('int_customer_dates') }}
    where relationship = 'contract'
),

date_fits as (
    select * from {{ ref('int_health_date_fits') }}
),

contributions as (
    select * from {{ ref('int_health_contributions') }}
),

summed as (
    select
        grid_date,
        account_id,
        {%- for name in groups %}
        sum(case when feature_group = '{{ name }}' then contribution else 0e0 end) as contribution_{{ name }},
        {%- endfor %}
        sum(contribution) as contribution_all
    from contributions
    group by grid_date, account_id
),

added as (
    select
        customers.grid_date,
        customers.account_id,
        date_fits.fit,
        date_fits.trained_through,
        date_fits.status as model_status,
        date_fits.intercept,
        {%- for name in groups %}
        coalesce(summed.contribution_{{ name }}, 0e0) as contribution_{{ name }},
        {%- endfor %}
        date_fits.intercept + coalesce(summed.contribution_all, 0e0) as log_odds
    from customers
    inner join date_fits on customers.grid_date = date_fits.grid_date  -- exactly one
    left join summed  -- at most one
        on customers.grid_date = summed.grid_date and customers.account_id = summed.account_id
),

final as (
    select
        *,
        1e0 / (1e0 + exp(-greatest(least(log_odds, 700e0), -700e0))) as churn_probability
    from added
)

select * from final
