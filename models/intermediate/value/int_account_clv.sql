with

accounts as (
    select * from {{ ref('accounts') }}
),

scores as (
    select * from {{ ref('int_account_scores') }}
),

value_months as (
    select * from {{ ref('int_account_value_months') }}
),

acquisition as (
    select * from {{ ref('int_account_acquisition') }}
),

as_of_dates as (
    {{ clv_as_of_dates() }}
),

-- What serving and keeping a customer takes of each unit of revenue: the last twelve months of all customers of his
-- relationship and business model. Consumers cost as much to keep as companies and pay a hundredth.
cost_ratios as (
    select
        as_of_dates.as_of_date,
        acquisition.relationship,
        accounts.business_model,
        case
            when sum(value_months.revenue - value_months.refunds) > 0
                then
                    cast(sum(value_months.cost_to_serve + value_months.retention_cost) as double)
                    / cast(sum(value_months.revenue - value_months.refunds) as double)
            else 0e0
        end as cost_ratio
    from as_of_dates
    inner join value_months
        on
            value_months.month_start >= {{ add_months(period_start_of('month', 'as_of_dates.as_of_date'), -12) }}
            and value_months.month_start < as_of_dates.as_of_date
    inner join acquisition on value_months.account_id = acquisition.account_id  -- at most one
    inner join accounts on value_months.account_id = accounts.account_id  -- exactly one
    group by as_of_dates.as_of_date, acquisition.relationship, accounts.business_model
),

-- whoever was a customer by then: who is paying on the date is, who first buys on it is not yet known to
customers as (
    select
        as_of_dates.as_of_date,
        acquisition.*
    from as_of_dates
    inner join acquisition
        on
            as_of_dates.as_of_date > acquisition.won_on
            or (as_of_dates.as_of_date = acquisition.won_on and acquisition.relationship = 'contract')
),

scored as (
    select
        customers.as_of_date,
        customers.account_id,
        customers.relationship,
        customers.won_on,
        coalesce(scores.model, case when customers.relationship = 'contract' then 'none' else 'bgnbd' end) as model,
        scores.model_segment,
        case
            when scores.model_status is not null then scores.model_status
            when customers.relationship = 'contract' then 'churned'
            else 'no_data'
        end as model_status,
        scores.repeat_purchases,
        scores.p_alive,
        scores.expected_purchases_12m,
        scores.expected_purchases_window,
        scores.expected_spend,
        scores.survival_next_term,
        scores.expected_periods_12m,
        scores.survival_window,
        scores.revenue_window,
        scores.mrr,
        scores.period_months,
        coalesce(cost_ratios.cost_ratio, 0e0) as cost_ratio,
        {{ gross_margin_of('accounts') }} as gross_margin,
        -- who has left brings nothing more; who was not scored is not known to
        case when scores.account_id is null and customers.relationship = 'contract' then 0e0 else scores.revenue_12m end
            as revenue_12m,
        case
            when scores.account_id is null and customers.relationship = 'contract' then 0e0
            else scores.revenue_residual
        end as revenue_residual,
        case
            when scores.account_id is null and customers.relationship = 'contract' then 0e0
            else scores.variance_of_log
        end as variance_of_log
    from customers
    inner join accounts on customers.account_id = accounts.account_id  -- exactly one
    left join scores  -- at most one
        on customers.as_of_date = scores.as_of_date and customers.account_id = scores.account_id
    left join cost_ratios  -- at most one
        on
            customers.as_of_date = cost_ratios.as_of_date
            and customers.relationship = cost_ratios.relationship
            and accounts.business_model is not distinct from cost_ratios.business_model
),

contributing as (
    select
        *,
        cast(gross_margin as double) - cost_ratio as contribution_ratio,
        -- rounding may leave a little less than nothing of a variance
        {{ z95() }} * sqrt(case when variance_of_log < 0e0 then 0e0 else variance_of_log end) as log_distance
    from scored
),

final as (
    select
        as_of_date,
        account_id,
        relationship,
        won_on,
        model,
        model_segment,
        model_status,
        repeat_purchases,
        p_alive,
        expected_purchases_12m,
        expected_purchases_window,
        expected_spend,
        survival_next_term,
        expected_periods_12m,
        survival_window,
        revenue_window,
        mrr,
        period_months,
        cast(gross_margin as double) as gross_margin,
        cost_ratio,
        contribution_ratio,
        revenue_12m * contribution_ratio as predictive_clv_12m,
        revenue_residual * contribution_ratio as residual_clv,
        -- the interval of the expected value; a loss is bounded the other way round
        revenue_residual * contribution_ratio
        * exp(case when contribution_ratio < 0e0 then log_distance else -log_distance end) as residual_clv_low,
        revenue_residual * contribution_ratio
        * exp(case when contribution_ratio < 0e0 then -log_distance else log_distance end) as residual_clv_high
    from contributing
)

select * from final
