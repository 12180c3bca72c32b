{%- set horizon = var('clv_horizon_months') -%}
{%- set parameters = ['alpha', 'beta'] -%}
with

running as (
    select * from {{ ref('int_renewal_states') }}
),

histories as (
    select * from {{ ref('int_renewal_histories') }}
),

fits as (
    select * from {{ ref('int_renewal_fits') }}
),

numbers as (
    {{ number_spine() }}
),

-- Who left is scored as if he had renewed on that day instead: that is the value lost with him.
states as (
    select
        as_of_date,
        period_months,
        own_segment,
        complete_periods,
        months_to_renewal,
        months_to_known_end
    from running
    union all
    select
        as_of_date,
        period_months,
        own_segment,
        last_period as complete_periods,
        period_months as months_to_renewal,
        cast(null as integer) as months_to_known_end
    from histories
    where has_left and as_of_date = {{ as_of_date() }}
),

-- customers in the same place in the same kind of contract have the same score
wanted as (
    select distinct
        as_of_date,
        period_months,
        own_segment
    from states
),

chosen as (
    {{ chosen_fit(['as_of_date', 'period_months'], ['model'] + parameters + ['cov_11', 'cov_21', 'cov_22']) }}
),

alike as (
    select distinct
        as_of_date,
        period_months,
        own_segment,
        complete_periods,
        months_to_renewal,
        months_to_known_end
    from states
),

-- month i begins i - 1 months ahead; by then so many renewals lie behind
months as (
    select
        numbers.i,
        variants.i as variant,
        {{ discount_factor('numbers.i') }} as discount
    from numbers
    cross join numbers as variants
    where
        numbers.i >= 1
        and numbers.i <= {{ [horizon, 12] | max }}
        and variants.i <= {{ parameters | length }}
),

asked as (
    select
        alike.*,
        months.i,
        months.variant,
        months.discount,
        {%- for parameter in parameters %}
        chosen.{{ parameter }}
        * case when months.variant = {{ loop.index }} then exp({{ parameter_step() }}) else 1e0 end as {{ parameter }},
        {%- endfor %}
        cast(alike.complete_periods as double) as renewals_done,
        cast(alike.complete_periods as double) + case
            when months.i - 1 < alike.months_to_renewal then 0e0
            else 1e0 + floor(cast(months.i - 1 - alike.months_to_renewal as double) / alike.period_months)
        end as renewals_then
    from alike
    inner join chosen  -- exactly one
        on
            alike.as_of_date = chosen.as_of_date
            and alike.period_months = chosen.period_months
            and alike.own_segment = chosen.own_segment
    cross join months
    where chosen.model_status = 'converged'
),

answered as (
    select
        *,
        case
            when i > months_to_known_end then 0e0
            else {{ sbg_survival_ratio('alpha', 'beta', 'renewals_done', 'renewals_then') }}
        end as survival
    from asked
),

summed as (
    select
        as_of_date,
        period_months,
        own_segment,
        complete_periods,
        months_to_renewal,
        months_to_known_end,
        {%- for variant in range(1, parameters | length + 1) %}
        sum(case when variant = {{ variant }} and i <= {{ horizon }} then survival * discount end)
            as moved_{{ variant }},
        {%- endfor %}
        sum(case when variant = 0 and i <= 12 then survival end) as expected_months_12m,
        sum(case when variant = 0 and i <= 12 then survival * discount end) as discounted_months_12m,
        sum(case when variant = 0 and i <= {{ horizon }} then survival * discount end) as discounted_months_residual
    from answered
    group by
        as_of_date, period_months, own_segment, complete_periods, months_to_renewal, months_to_known_end
),

sensitive as (
    select
        {%- for variant in range(1, parameters | length + 1) %}
        case
            when discounted_months_residual > 0e0
                then (moved_{{ variant }} / discounted_months_residual - 1e0) / {{ parameter_step() }}
        end as g_{{ variant }},
        {%- endfor %}
        *
    from summed
),

-- For past dates: months paid until the as-of date, and whether still there then. That date is a whole number of months
-- ahead, and a renewal on it counts as done.
windows as (
    select
        as_of_date,
        cast({{ calendar_months_between('as_of_date', as_of_date()) }} as integer) as months
    from (
        {{ clv_as_of_dates() }}
    ) as as_of_dates
    where as_of_date < {{ as_of_date() }}
),

in_window as (
    select
        answered.as_of_date,
        answered.period_months,
        answered.own_segment,
        answered.complete_periods,
        answered.months_to_renewal,
        answered.months_to_known_end,
        sum(case when answered.i <= windows.months then answered.survival end) as expected_months_window,
        max(case when answered.i = windows.months + 1 then answered.survival end) as survival_window
    from answered
    inner join windows on answered.as_of_date = windows.as_of_date  -- at most one
    where answered.variant = 0 and answered.i <= windows.months + 1
    group by
        answered.as_of_date,
        answered.period_months,
        answered.own_segment,
        answered.complete_periods,
        answered.months_to_renewal,
        answered.months_to_known_end
),

final as (
    select
        alike.as_of_date,
        alike.period_months,
        alike.own_segment,
        alike.complete_periods,
        alike.months_to_renewal,
        alike.months_to_known_end,
        chosen.model,
        chosen.model_segment,
        chosen.model_status,
        case
            when alike.months_to_known_end <= alike.months_to_renewal then 0e0
            else {{ sbg_renewal_probability('chosen.alpha', 'chosen.beta', '(alike.complete_periods + 1e0)') }}
        end as survival_next_term,
        sensitive.expected_months_12m,
        sensitive.discounted_months_12m,
        sensitive.discounted_months_residual,
        in_window.expected_months_window,
        in_window.survival_window,
        {{ variance_of_log(2) }} as variance_of_log
    from alike
    inner join chosen  -- exactly one
        on
            alike.as_of_date = chosen.as_of_date
            and alike.period_months = chosen.period_months
            and alike.own_segment = chosen.own_segment
    left join sensitive  -- at most one
        on
            alike.as_of_date = sensitive.as_of_date
            and alike.period_months = sensitive.period_months
            and alike.own_segment = sensitive.own_segment
            and alike.complete_periods = sensitive.complete_periods
            and alike.months_to_renewal = sensitive.months_to_renewal
            and alike.months_to_known_end is not distinct from sensitive.months_to_known_end
    left join in_window  -- at most one
        on
            alike.as_of_date = in_window.as_of_date
            and alike.period_months = in_window.period_months
            and alike.own_segment = in_window.own_segment
            and alike.complete_periods = in_window.complete_periods
            and alike.months_to_renewal = in_window.months_to_renewal
            and alike.months_to_known_end is not distinct from in_window.months_to_known_end
)

select * from final
