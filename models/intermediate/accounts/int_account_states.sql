with

subscription_states as (
    select * from {{ ref('int_subscription_states') }}
),

ranked as (
    select
        *,
        row_number() over (partition by account_id, state_on order by mrr desc, subscription_id asc) as rank_by_mrr
    from subscription_states
),

final as (
    select
        account_id,
        state_on,
        max(case when rank_by_mrr = 1 then plan end) as plan,
        max(case when rank_by_mrr = 1 then contract_term_months end) as contract_term_months,
        case when min(currency) = max(currency) then min(currency) else 'mixed' end as currency,
        case when min(currency) = max(currency) then {{ sum_money('mrr_original') }} end as mrr_original,
        {{ sum_money('mrr') }} as mrr,
        {{ sum_money('mrr_at_first_rate') }} as mrr_at_first_rate
    from ranked
    group by account_id, state_on
)

select * from final
