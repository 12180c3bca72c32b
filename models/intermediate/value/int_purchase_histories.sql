with

as_of_dates as (
    {{ clv_as_of_dates() }}
),

customers as (
    select account_id from {{ ref('int_customer_purchases') }}
    where is_without_contract
),

purchase_days as (
    select * from {{ ref('int_purchase_days') }}
),

members as (
    select * from {{ ref('int_cohort_members') }}
    where relationship = 'no_contract'
),

-- each date sees the purchases before it
seen as (
    select
        as_of_dates.as_of_date,
        purchase_days.account_id,
        purchase_days.ordered_on,
        purchase_days.value_net,
        min(purchase_days.ordered_on) over (
            partition by as_of_dates.as_of_date, purchase_days.account_id
        ) as first_purchase_on
    from as_of_dates
    inner join purchase_days on as_of_dates.as_of_date > purchase_days.ordered_on
    inner join customers on purchase_days.account_id = customers.account_id  -- at most one
),

counted as (
    select
        as_of_date,
        account_id,
        first_purchase_on,
        max(ordered_on) as last_purchase_on,
        cast(count(*) - 1 as integer) as repeat_purchases,
        {{ sum_money('case when ordered_on > first_purchase_on then value_net end') }} as repeat_value
    from seen
    group by as_of_date, account_id, first_purchase_on
),

final as (
    select
        counted.as_of_date,
        counted.account_id,
        {{ fit_segment('members') }} as own_segment,
        counted.first_purchase_on,
        counted.last_purchase_on,
        counted.repeat_purchases,
        {{ in_weeks(days_between('counted.first_purchase_on', 'counted.last_purchase_on')) }} as recency_weeks,
        -- the last day whose purchases are known is the one before
        {{ in_weeks(days_between('counted.first_purchase_on', add_days('counted.as_of_date', -1))) }} as age_weeks,
        counted.repeat_value,
        case
            when counted.repeat_purchases > 0 and counted.repeat_value >= 0
                then {{ mean_money('counted.repeat_value', 'counted.repeat_purchases') }}
        end as repeat_value_mean
    from counted
    inner join members on counted.account_id = members.account_id  -- exactly one
)

select * from final
