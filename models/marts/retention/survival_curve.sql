{%- set dimensions = segment_dimensions() -%}
with

spells as (
    select * from {{ ref('int_account_spells') }}
    where spell_number = 1
),

members as (
    select * from {{ ref('int_cohort_members') }}
    where relationship = 'contract'
),

numbers as (
    {{ number_spine() }}
),

-- the first spell alone: its end is the event, the as-of date censors it
observed as (
    select
        spells.account_id,
        spells.spell_start,
        least(spells.spell_end, {{ as_of_date() }}) as observed_to,
        spells.spell_end <= {{ as_of_date() }} as has_churned
    from spells
),

-- the smallest n with start + n months >= end
with_tenure as (
    select
        members.*,
        observed.has_churned,
        cast({{ complete_months_between('observed.spell_start', 'observed.observed_to') }} as integer)
        + case
            when {{ add_months(
                'observed.spell_start', complete_months_between('observed.spell_start', 'observed.observed_to')
            ) }} < observed.observed_to then 1
            else 0
        end as tenure_month
    from observed
    inner join members on observed.account_id = members.account_id  -- exactly one
),

ended as (
    select
        {{ segment_dimension_of_set(dimensions) }} as segment_dimension,
        {{ segment_value_of_set(dimensions) }} as segment_value,
        tenure_month,
        {{ count_where('has_churned') }} as churned,
        {{ count_where('not has_churned') }} as censored
    from with_tenure
    group by {{ segment_grouping_sets(['tenure_month'], dimensions) }}
),

curves as (
    select
        segment_dimension,
        segment_value,
        cast(sum(churned + censored) as bigint) as customers,
        max(tenure_month) as last_tenure_month
    from ended
    group by segment_dimension, segment_value
),

grid as (
    select
        curves.segment_dimension,
        curves.segment_value,
        curves.customers,
        cast(numbers.i as integer) as tenure_month
    from curves
    inner join numbers on numbers.i <= curves.last_tenure_month
),

filled as (
    select
        grid.*,
        coalesce(ended.churned, 0) as churned,
        coalesce(ended.censored, 0) as censored
    from grid
    left join ended  -- at most one
        on
            grid.segment_dimension = ended.segment_dimension
            and grid.segment_value = ended.segment_value
            and grid.tenure_month = ended.tenure_month
),

at_risk as (
    select
        *,
        cast(customers - coalesce(sum(churned + censored) over (
            partition by segment_dimension, segment_value
            order by tenure_month
            rows between unbounded preceding and 1 preceding
        ), 0) as bigint) as at_risk
    from filled
),

-- Kaplan-Meier is a product over months, summed as logarithms; once all at risk have left it is 0 for good
summed as (
    select
        *,
        sum(case when churned < at_risk then ln(1e0 - cast(churned as double) / at_risk) else 0e0 end) over (
            partition by segment_dimension, segment_value
            order by tenure_month
            rows between unbounded preceding and current row
        ) as log_survival,
        sum(case
            when churned < at_risk
                then cast(churned as double) / (cast(at_risk as double) * cast(at_risk - churned as double))
            else 0e0
        end) over (
            partition by segment_dimension, segment_value
            order by tenure_month
            rows between unbounded preceding and current row
        ) as greenwood_sum,
        max(case when churned = at_risk then 1 else 0 end) over (
            partition by segment_dimension, segment_value
            order by tenure_month
            rows between unbounded preceding and current row
        ) = 1 as is_extinct
    from at_risk
),

estimated as (
    select
        *,
        case when is_extinct then 0e0 else exp(log_survival) end as survival,
        -- half width of the 95 % interval of ln(-ln S), Greenwood's variance
        case
            when not is_extinct and log_survival < 0e0
                then {{ z95() }} * sqrt(greenwood_sum) / abs(log_survival)
        end as half_width
    from summed
),

final as (
    select
        segment_dimension,
        segment_value,
        tenure_month,
        at_risk,
        churned,
        censored,
        survival,
        case
            when half_width is not null then exp(log_survival * exp(half_width))
            when not is_extinct then 1e0
        end as ci_low,
        case
            when half_width is not null then exp(log_survival * exp(-half_width))
            when not is_extinct then 1e0
        end as ci_high,
        {{ ratio('churned', 'at_risk') }} as hazard,
        {{ is_small_base('at_risk') }} as is_small_base
    from estimated
)

select * from final
