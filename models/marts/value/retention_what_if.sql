{%- set dimensions = segment_dimensions() -%}
{%- set this_month = period_start_of('month', as_of_date()) -%}
{%- set years = (var('clv_horizon_months') / 12) | round(0, 'ceil') | int -%}
with

clv as (
    select * from {{ ref('int_account_clv') }}
    where as_of_date = {{ as_of_date() }} and relationship = 'contract' and mrr is not null
),

latest_segments as (
    select * from {{ ref('int_account_latest_segments') }}
    where relationship = 'contract'
),

churn_months as (
    select * from {{ ref('churn_by_segment') }}
    where
        period_grain = 'month'
        and is_complete
        and period_start >= {{ add_months(this_month, -12) }}
        and customers_at_start > 0
),

account_costs as (
    select * from {{ ref('int_account_costs') }}
    where month_start >= {{ add_months(this_month, -12) }} and month_start < {{ this_month }}
),

cost_months as (
    select * from {{ ref('int_cost_months') }}
),

published as (
    select * from {{ ref('published_effects') }}
    where scenario is not null
),

kinds as (
    select max(case when kind = 'retention' then 1 else 0 end) = 1 as has_retention_costs from cost_months
),

costs as (
    select
        account_id,
        {{ sum_money('retention_cost') }} as retention_cost
    from account_costs
    group by account_id
),

-- present customers, and what was spent in the year on them and on those who left meanwhile
accounts as (
    select
        latest_segments.*,
        clv.account_id is not null as is_present,
        cast(clv.mrr as double) * 12e0 * clv.contribution_ratio as contribution_year,
        costs.retention_cost
    from latest_segments
    left join clv on latest_segments.account_id = clv.account_id  -- at most one
    left join costs on latest_segments.account_id = costs.account_id  -- at most one
),

segments as (
    select
        {{ segment_dimension_of_set(dimensions) }} as segment_dimension,
        {{ segment_value_of_set(dimensions) }} as segment_value,
        {{ count_where('is_present') }} as customers,
        sum(contribution_year) as contribution_year,
        {{ sum_money('retention_cost') }} as retention_cost
    from accounts
    group by {{ segment_grouping_sets([], dimensions) }}
),

survived as (
    select
        segment_dimension,
        segment_value,
        cast(sum(customers_churned) as bigint) as customers_churned_12m,
        cast(sum(customers_at_start) as bigint) as customer_months_12m,
        cast(count(*) as integer) as months_observed,
        {{ retained_over_months('period_start', 'churn_rate', this_month, 12) }} as retained
    from churn_months
    group by segment_dimension, segment_value
),

based as (
    select
        segments.segment_dimension,
        segments.segment_value,
        segments.customers,
        {{ ratio('segments.contribution_year', 'segments.customers') }} as contribution_per_customer_year,
        coalesce(survived.customers_churned_12m, 0) as customers_churned_12m,
        coalesce(survived.customer_months_12m, 0) as customer_months_12m,
        coalesce(survived.months_observed, 0) as months_observed,
        -- months without customers at their start say nothing: the others stand for the year
        case
            when survived.months_observed = 12 then survived.retained
            when survived.months_observed > 0 then power(survived.retained, 12e0 / survived.months_observed)
        end as retention_rate_yearly,
        cast(case when kinds.has_retention_costs then segments.retention_cost end as decimal(38, 4))
            as retention_cost_yearly
    from segments
    cross join kinds
    left join survived  -- at most one
        on
            segments.segment_dimension = survived.segment_dimension
            and segments.segment_value = survived.segment_value
    where segments.customers > 0
),

scenarios as (
    {%- for scenario in what_if_scenarios() %}
    select
        '{{ scenario.name }}' as scenario,
        cast({{ scenario.points }} as double) as points_assumed,
        cast({{ scenario.lift }} as double) as lift_assumed,
        cast({{ 'null' if scenario.investment is none else scenario.investment }} as double) as investment_assumed
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

assumed as (
    select
        based.*,
        scenarios.*,
        -- least() would leave a rate that is not known out of account
        case
            when based.retention_rate_yearly is not null
                then least(based.retention_rate_yearly + scenarios.points_assumed / 100e0, 1e0)
        end as retention_rate_new,
        based.customers * based.contribution_per_customer_year as contribution_yearly,
        based.contribution_per_customer_year * (1e0 + scenarios.lift_assumed) as contribution_new,
        cast(based.retention_cost_yearly as double) * scenarios.investment_assumed as extra_cost
    from based
    cross join scenarios
),

valued as (
    select
        *,
        -- nothing is gained where nothing is assumed, known rate or not
        case when points_assumed = 0e0 then 0e0 else (retention_rate_new - retention_rate_yearly) * 100e0 end
            as points_gained,
        {{ clv_of_years('contribution_per_customer_year', 'retention_rate_yearly', years) }} as clv_per_customer,
        {{ clv_of_years('contribution_new', 'retention_rate_new', years) }} as clv_per_customer_new
    from assumed
),

final as (
    select
        valued.segment_dimension,
        valued.segment_value,
        valued.scenario,
        valued.customers,
        valued.contribution_per_customer_year,
        valued.customers_churned_12m,
        valued.customer_months_12m,
        valued.months_observed,
        valued.retention_rate_yearly,
        cast({{ var('clv_discount_rate') }} as double) as discount_rate_yearly,
        cast({{ years }} as integer) as horizon_years,
        valued.retention_cost_yearly,
        valued.points_assumed,
        valued.lift_assumed,
        valued.investment_assumed,
        valued.points_gained,
        valued.retention_rate_new,
        -- + 0e0: no effect on a loss is 0, not -0
        valued.contribution_yearly * (valued.points_gained / 100e0 + valued.lift_assumed) + 0e0 as profit_effect_12m,
        {{ ratio(
            'valued.contribution_yearly * (valued.points_gained / 100e0 + valued.lift_assumed)', 'valued.contribution_yearly'
        ) }} as profit_effect_share,
        valued.clv_per_customer,
        valued.clv_per_customer_new,
        valued.customers * (valued.clv_per_customer_new - valued.clv_per_customer) as clv_effect,
        {{ ratio('(valued.clv_per_customer_new - valued.clv_per_customer)', 'valued.clv_per_customer') }} + 0e0
            as clv_effect_share,
        valued.extra_cost,
        case
            when valued.contribution_yearly > 0e0 and valued.extra_cost > 0e0
                then valued.extra_cost / valued.contribution_yearly * 100e0
        end as break_even_points,
        published.low as published_effect_low,
        published.high as published_effect_high,
        published.source as published_effect_source,
        {{ is_small_base('valued.customers') }} as is_small_base
    from valued
    left join published on valued.scenario = published.scenario  -- at most one
)

select * from final
