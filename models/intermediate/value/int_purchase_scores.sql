{%- set horizon = var('clv_horizon_months') -%}
{%- set parameters = ['r', 'alpha', 'a', 'b'] -%}
{%- set covariances = [
    'cov_11', 'cov_21', 'cov_22', 'cov_31', 'cov_32', 'cov_33', 'cov_41', 'cov_42', 'cov_43', 'cov_44'
] -%}
with

histories as (
    select * from {{ ref('int_purchase_histories') }}
),

fits as (
    select * from {{ ref('int_bgnbd_fits') }}
),

numbers as (
    {{ number_spine() }}
),

-- customers with the same history have the same score
wanted as (
    select distinct
        as_of_date,
        own_segment
    from histories
),

chosen as (
    {{ chosen_fit(['as_of_date'], parameters + covariances) }}
),

alike as (
    select
        as_of_date,
        own_segment,
        repeat_purchases,
        recency_weeks,
        age_weeks,
        cast(repeat_purchases as double) as x,
        recency_weeks as t_x,
        age_weeks as t
    from histories
    group by as_of_date, own_segment, repeat_purchases, recency_weeks, age_weeks
),

months as (
    {{ months_ahead(horizon) }}
),

-- Where the expectation is asked for: at the end of every month; for past dates also at the as-of date, to be held
-- against what was bought. How it hangs on each parameter (variant 1 to 4) is asked for in the middle of each year and
-- at the horizon.
points as (
    select
        cast(null as date) as only_for,
        0 as variant,
        months.i * {{ weeks_per_month() }} as weeks,
        case when months.i = 12 then 1e0 else 0e0 end as weight_expected_12m,
        months.weight_12m,
        months.weight_residual,
        0e0 as weight_window,
        0e0 as weight_sensitivity
    from months
    union all
    select
        as_of_dates.as_of_date as only_for,
        0 as variant,
        {{ in_weeks(days_between('as_of_dates.as_of_date', as_of_date())) }} as weeks,
        0e0 as weight_expected_12m,
        0e0 as weight_12m,
        0e0 as weight_residual,
        1e0 as weight_window,
        0e0 as weight_sensitivity
    from (
        {{ clv_as_of_dates() }}
    ) as as_of_dates
    where as_of_dates.as_of_date < {{ as_of_date() }}
    union all
    select
        {{ as_of_date() }} as only_for,
        variants.i as variant,
        nodes.i * {{ weeks_per_month() }} as weeks,
        0e0 as weight_expected_12m,
        0e0 as weight_12m,
        0e0 as weight_residual,
        0e0 as weight_window,
        nodes.weight as weight_sensitivity
    from (
        {%- for first in range(0, horizon, 12) %}
        {%- set last = [first + 12, horizon] | min %}
        select
            {{ (first + last) / 2 }}e0 as i,
            {{ discount_factor(first + 1) }} - {{ discount_factor(last if last == horizon else last + 1) }} as weight
        union all
        {%- endfor %}
        select
            {{ horizon }}e0 as i,
            {{ discount_factor(horizon) }} as weight
    ) as nodes
    cross join numbers as variants
    where variants.i <= {{ parameters | length }}
),

asked as (
    select
        alike.as_of_date,
        alike.own_segment,
        alike.repeat_purchases,
        alike.recency_weeks,
        alike.age_weeks,
        alike.x,
        alike.t_x,
        alike.t,
        {%- for parameter in parameters %}
        chosen.{{ parameter }}
        * case when points.variant = {{ loop.index }} then exp({{ parameter_step() }}) else 1e0 end as {{ parameter }},
        {%- endfor %}
        points.variant,
        points.weeks,
        points.weight_expected_12m,
        points.weight_12m,
        points.weight_residual,
        points.weight_window,
        points.weight_sensitivity
    from alike
    inner join chosen  -- exactly one
        on alike.as_of_date = chosen.as_of_date and alike.own_segment = chosen.own_segment
    inner join points on points.only_for is null or alike.as_of_date = points.only_for
    where chosen.model_status = 'converged'
),

{{ bgnbd_expected_purchases_ctes('asked', 'answered') }},

summed as (
    select
        as_of_date,
        own_segment,
        repeat_purchases,
        recency_weeks,
        age_weeks,
        {%- for variant in range(parameters | length + 1) %}
        sum(case when variant = {{ variant }} then weight_sensitivity * expected_purchases end) as moved_{{ variant }},
        {%- endfor %}
        max(case when variant = 0 then p_alive_now end) as p_alive,
        sum(weight_expected_12m * expected_purchases) as expected_purchases_12m,
        sum(weight_12m * expected_purchases) as discounted_purchases_12m,
        sum(weight_residual * expected_purchases) as discounted_purchases_residual,
        sum(weight_window * expected_purchases) as expected_purchases_window
    from answered
    group by as_of_date, own_segment, repeat_purchases, recency_weeks, age_weeks
),

sensitive as (
    select
        {%- for variant in range(1, parameters | length + 1) %}
        case when moved_0 > 0e0 then (moved_{{ variant }} / moved_0 - 1e0) / {{ parameter_step() }} end
            as g_{{ variant }},
        {%- endfor %}
        *
    from summed
),

final as (
    select
        alike.as_of_date,
        alike.own_segment,
        alike.repeat_purchases,
        alike.recency_weeks,
        alike.age_weeks,
        chosen.model_segment,
        chosen.model_status,
        sensitive.p_alive,
        sensitive.expected_purchases_12m,
        sensitive.discounted_purchases_12m,
        sensitive.discounted_purchases_residual,
        case when alike.as_of_date < {{ as_of_date() }} then sensitive.expected_purchases_window end
            as expected_purchases_window,
        {{ variance_of_log(4) }} as variance_of_log
    from alike
    inner join chosen  -- exactly one
        on alike.as_of_date = chosen.as_of_date and alike.own_segment = chosen.own_segment
    left join sensitive  -- at most one
        on
            alike.as_of_date = sensitive.as_of_date
            and alike.own_segment = sensitive.own_segment
            and alike.repeat_purchases = sensitive.repeat_purchases
            and alike.recency_weeks = sensitive.recency_weeks
            and alike.age_weeks = sensitive.age_weeks
)

select * from final
