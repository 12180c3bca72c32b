with

accounts as (
    select * from {{ ref('accounts') }}
),

account_clv as (
    select * from {{ ref('int_account_clv') }}
    where as_of_date = {{ as_of_date() }}
),

acquisition as (
    select * from {{ ref('int_account_acquisition') }}
),

value_months as (
    select * from {{ ref('int_account_value_months') }}
),

cost_months as (
    select * from {{ ref('int_cost_months') }}
),

spells as (
    select * from {{ ref('int_account_spells') }}
),

purchases as (
    select * from {{ ref('int_customer_purchases') }}
    where is_without_contract
),

historic as (
    select
        account_id,
        {{ sum_money('revenue') }} as historic_revenue,
        {{ sum_money('discounts') }} as historic_discounts,
        {{ sum_money('refunds') }} as historic_refunds,
        {{ sum_money('cost_to_serve') }} as cost_to_serve,
        {{ sum_money('retention_cost') }} as retention_cost,
        {{ sum_money('contribution') }} as historic_clv
    from value_months
    group by account_id
),

-- costs that were never handed over are not known, rather than nothing
kinds as (
    select
        max(case when kind = 'service' then 1 else 0 end) = 1 as has_service_costs,
        max(case when kind = 'retention' then 1 else 0 end) = 1 as has_retention_costs
    from cost_months
),

last_days as (
    select
        account_id,
        max(spell_end) > {{ as_of_date() }} as is_active,
        least(max(spell_end), {{ as_of_date() }}) as last_day
    from spells
    group by account_id
    union all
    select
        account_id,
        {{ add_months('last_purchase_on', 12) }} > {{ as_of_date() }} as is_active,
        {{ as_of_date() }} as last_day
    from purchases
),

joined as (
    select
        accounts.account_id,
        coalesce(account_clv.relationship, 'none') as relationship,
        coalesce(last_days.is_active, false) as is_active,
        account_clv.won_on,
        cast({{ complete_months_between('account_clv.won_on', 'last_days.last_day') }} as integer) as tenure_months,
        cast(coalesce(historic.historic_revenue, 0) as decimal(38, 4)) as historic_revenue,
        cast(coalesce(historic.historic_discounts, 0) as decimal(38, 4)) as historic_discounts,
        cast(coalesce(historic.historic_refunds, 0) as decimal(38, 4)) as historic_refunds,
        cast(case when kinds.has_service_costs then coalesce(historic.cost_to_serve, 0) end as decimal(38, 4))
            as cost_to_serve,
        cast(case when kinds.has_retention_costs then coalesce(historic.retention_cost, 0) end as decimal(38, 4))
            as retention_cost,
        cast({{ gross_margin_of('accounts') }} as double)
            as gross_margin,
        cast(coalesce(historic.historic_clv, 0) as decimal(38, 4)) as historic_clv,
        account_clv.mrr,
        account_clv.p_alive,
        account_clv.survival_next_term,
        account_clv.expected_purchases_12m,
        account_clv.expected_periods_12m,
        account_clv.period_months,
        account_clv.expected_spend,
        account_clv.cost_ratio,
        account_clv.predictive_clv_12m,
        account_clv.residual_clv,
        account_clv.residual_clv_low,
        account_clv.residual_clv_high,
        cast(coalesce(historic.historic_clv, 0) as double) + account_clv.residual_clv as total_clv,
        acquisition.acquisition_cost,
        acquisition.payback_month,
        coalesce(account_clv.model, 'none') as model,
        account_clv.model_segment,
        coalesce(account_clv.model_status, 'never_a_customer') as model_status
    from accounts
    cross join kinds
    left join account_clv on accounts.account_id = account_clv.account_id  -- at most one
    left join acquisition on accounts.account_id = acquisition.account_id  -- at most one
    left join historic on accounts.account_id = historic.account_id  -- at most one
    left join last_days on accounts.account_id = last_days.account_id  -- at most one
),

ranked as (
    select
        *,
        rank() over (partition by total_clv is null order by total_clv desc nulls last) as rank_by_clv,
        count(total_clv) over () as valued
    from joined
),

final as (
    select
        account_id,
        relationship,
        is_active,
        won_on,
        tenure_months,
        historic_revenue,
        historic_discounts,
        historic_refunds,
        cost_to_serve,
        retention_cost,
        gross_margin,
        historic_clv,
        mrr,
        p_alive,
        survival_next_term,
        expected_purchases_12m,
        expected_periods_12m,
        period_months,
        expected_spend,
        cost_ratio,
        predictive_clv_12m,
        residual_clv,
        residual_clv_low,
        residual_clv_high,
        total_clv,
        acquisition_cost,
        {{ ratio('total_clv', 'acquisition_cost') }} as clv_to_cac,
        payback_month,
        case
            when total_clv is null then 'unknown'
            {%- for tier, share in var('value_tiers').items() %}
            {%- if loop.last %}
            else '{{ tier }}'
            {%- else %}
            when rank_by_clv <= valued * cast({{ share }} as decimal(18, 8)) then '{{ tier }}'
            {%- endif %}
            {%- endfor %}
        end as value_tier,
        model,
        model_segment,
        model_status,
        '{{ var("reporting_currency") }}' as currency
    from ranked
)

select * from final
