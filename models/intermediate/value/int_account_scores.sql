with

purchase_histories as (
    select
        *,
        coalesce(cast(repeat_value_mean as double), 0e0) as mean_value
    from {{ ref('int_purchase_histories') }}
),

purchase_scores as (
    select * from {{ ref('int_purchase_scores') }}
),

fits as (
    select * from {{ ref('int_gamma_gamma_fits') }}
),

renewal_states as (
    select * from {{ ref('int_renewal_states') }}
),

renewal_scores as (
    select * from {{ ref('int_renewal_scores') }}
),

account_states as (
    select * from {{ ref('int_account_states') }}
),

wanted as (
    select distinct
        as_of_date,
        own_segment
    from purchase_histories
),

chosen_spend as (
    {{ chosen_fit(['as_of_date'], ['p', 'q', 'v', 'cov_11', 'cov_21', 'cov_22', 'cov_31', 'cov_32', 'cov_33']) }}
),

-- what a purchase is worth, and how that hangs on ln p, ln q and ln p v
spending as (
    select
        purchase_histories.as_of_date,
        purchase_histories.account_id,
        purchase_histories.own_segment,
        purchase_histories.repeat_purchases,
        purchase_histories.recency_weeks,
        purchase_histories.age_weeks,
        purchase_histories.repeat_value_mean,
        chosen_spend.model_status,
        -- the mean of the population is infinite where q is not above 1
        case
            when chosen_spend.p * purchase_histories.repeat_purchases + chosen_spend.q > 1e0
                then {{ gamma_gamma_spend(
                    'chosen_spend.p', 'chosen_spend.q', 'chosen_spend.v', 'purchase_histories.repeat_purchases',
                    'purchase_histories.mean_value'
                ) }}
        end as expected_spend,
        purchase_histories.repeat_purchases * purchase_histories.mean_value
        / (chosen_spend.v + purchase_histories.repeat_purchases * purchase_histories.mean_value)
        - chosen_spend.p * purchase_histories.repeat_purchases
        / (chosen_spend.p * purchase_histories.repeat_purchases + chosen_spend.q - 1e0) as g_1,
        -chosen_spend.q / (chosen_spend.p * purchase_histories.repeat_purchases + chosen_spend.q - 1e0) as g_2,
        chosen_spend.v / (chosen_spend.v + purchase_histories.repeat_purchases * purchase_histories.mean_value) as g_3,
        chosen_spend.cov_11,
        chosen_spend.cov_21,
        chosen_spend.cov_22,
        chosen_spend.cov_31,
        chosen_spend.cov_32,
        chosen_spend.cov_33
    from purchase_histories
    inner join chosen_spend  -- exactly one
        on
            purchase_histories.as_of_date = chosen_spend.as_of_date
            and purchase_histories.own_segment = chosen_spend.own_segment
),

without_contract as (
    select
        spending.as_of_date,
        spending.account_id,
        'no_contract' as relationship,
        'bgnbd' as model,
        purchase_scores.model_segment,
        case
            when purchase_scores.model_status <> 'converged' then purchase_scores.model_status
            when spending.model_status <> 'converged' then concat('spend_', spending.model_status)
            when spending.expected_spend is null then 'spend_without_mean'
            else 'converged'
        end as model_status,
        spending.repeat_purchases,
        purchase_scores.p_alive,
        purchase_scores.expected_purchases_12m,
        purchase_scores.expected_purchases_window,
        spending.expected_spend,
        cast(null as double) as survival_next_term,
        cast(null as double) as expected_periods_12m,
        cast(null as double) as survival_window,
        cast(null as decimal(38, 4)) as mrr,
        cast(null as integer) as period_months,
        purchase_scores.discounted_purchases_12m * spending.expected_spend as revenue_12m,
        purchase_scores.discounted_purchases_residual * spending.expected_spend as revenue_residual,
        purchase_scores.expected_purchases_window * spending.expected_spend as revenue_window,
        purchase_scores.variance_of_log + {{ variance_of_log(3) }} as variance_of_log
    from spending
    inner join purchase_scores  -- exactly one
        on
            spending.as_of_date = purchase_scores.as_of_date
            and spending.own_segment = purchase_scores.own_segment
            and spending.repeat_purchases = purchase_scores.repeat_purchases
            and spending.recency_weeks = purchase_scores.recency_weeks
            and spending.age_weeks = purchase_scores.age_weeks
),

with_contract as (
    select
        renewal_states.as_of_date,
        renewal_states.account_id,
        'contract' as relationship,
        renewal_scores.model,
        renewal_scores.model_segment,
        renewal_scores.model_status,
        cast(null as integer) as repeat_purchases,
        cast(null as double) as p_alive,
        cast(null as double) as expected_purchases_12m,
        cast(null as double) as expected_purchases_window,
        cast(null as double) as expected_spend,
        renewal_scores.survival_next_term,
        renewal_scores.expected_months_12m / renewal_states.period_months as expected_periods_12m,
        renewal_scores.survival_window,
        account_states.mrr,
        renewal_states.period_months,
        renewal_scores.discounted_months_12m * cast(account_states.mrr as double) as revenue_12m,
        renewal_scores.discounted_months_residual * cast(account_states.mrr as double) as revenue_residual,
        renewal_scores.expected_months_window * cast(account_states.mrr as double) as revenue_window,
        renewal_scores.variance_of_log
    from renewal_states
    inner join renewal_scores  -- exactly one
        on
            renewal_states.as_of_date = renewal_scores.as_of_date
            and renewal_states.period_months = renewal_scores.period_months
            and renewal_states.own_segment = renewal_scores.own_segment
            and renewal_states.complete_periods = renewal_scores.complete_periods
            and renewal_states.months_to_renewal = renewal_scores.months_to_renewal
            and renewal_states.months_to_known_end is not distinct from renewal_scores.months_to_known_end
    inner join account_states  -- exactly one
        on renewal_states.account_id = account_states.account_id and renewal_states.as_of_date = account_states.state_on
),

final as (
    select * from without_contract
    union all
    select * from with_contract
)

select * from final
