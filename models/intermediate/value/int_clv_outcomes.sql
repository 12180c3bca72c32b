with

account_clv as (
    select * from {{ ref('int_account_clv') }}
    where as_of_date < {{ as_of_date() }}
),

purchase_days as (
    select * from {{ ref('int_purchase_days') }}
),

spells as (
    select * from {{ ref('int_account_spells') }}
),

-- whoever could still be a customer then
predicted as (
    select * from account_clv
    where model_status <> 'churned'
),

bought as (
    select
        predicted.as_of_date,
        predicted.account_id,
        cast(count(*) as bigint) as actual_purchases,
        {{ sum_money('purchase_days.value_net') }} as actual_revenue
    from predicted
    inner join purchase_days
        on
            predicted.account_id = purchase_days.account_id
            and predicted.as_of_date <= purchase_days.ordered_on
    where predicted.relationship = 'no_contract'
    group by predicted.as_of_date, predicted.account_id
),

stayed as (
    select
        predicted.as_of_date,
        predicted.account_id
    from predicted
    inner join spells  -- at most one
        on
            predicted.account_id = spells.account_id
            and predicted.as_of_date >= spells.spell_start
            and spells.spell_end > {{ as_of_date() }}
    where predicted.relationship = 'contract'
),

joined as (
    select
        predicted.as_of_date,
        predicted.account_id,
        predicted.relationship,
        predicted.model_status = 'converged' as is_scored,
        predicted.repeat_purchases,
        predicted.period_months,
        predicted.expected_purchases_window as predicted_purchases,
        case when predicted.relationship = 'no_contract' then coalesce(bought.actual_purchases, 0) end
            as actual_purchases,
        predicted.survival_window as predicted_stay,
        case
            when predicted.relationship <> 'contract' then null
            when stayed.account_id is null then 0
            else 1
        end as has_stayed,
        case
            when predicted.relationship = 'contract' then predicted.survival_window * cast(predicted.mrr as double)
            else predicted.revenue_window
        end as predicted_value,
        cast(case
            when predicted.relationship = 'no_contract' then coalesce(bought.actual_revenue, 0)
            when stayed.account_id is not null then predicted.mrr
            else 0
        end as decimal(38, 4)) as actual_value
    from predicted
    left join bought  -- at most one
        on predicted.as_of_date = bought.as_of_date and predicted.account_id = bought.account_id
    left join stayed  -- at most one
        on predicted.as_of_date = stayed.as_of_date and predicted.account_id = stayed.account_id
),

final as (
    select
        *,
        case
            when is_scored
                then cast(ntile(10) over (
                    partition by as_of_date, relationship, is_scored
                    order by predicted_value desc nulls last, account_id asc
                ) as integer)
        end as decile
    from joined
)

select * from final
