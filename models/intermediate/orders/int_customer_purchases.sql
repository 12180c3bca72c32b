with

orders as (
    select * from {{ ref('int_orders') }}
    where ordered_on < {{ as_of_date() }}
),

paid_versions as (
    select distinct account_id from {{ ref('int_paid_versions') }}
),

-- purchases of one day are one purchase
purchase_days as (
    select
        account_id,
        ordered_on,
        {{ sum_money('value_net') }} as value_net
    from orders
    group by account_id, ordered_on
),

final as (
    select
        purchase_days.account_id,
        max(paid_versions.account_id) is null as is_without_contract,
        min(purchase_days.ordered_on) as first_purchase_on,
        max(purchase_days.ordered_on) as last_purchase_on,
        cast(count(*) as integer) as purchase_days,
        cast(count(*) - 1 as integer) as repeat_purchases,
        cast({{ days_between('min(purchase_days.ordered_on)', 'max(purchase_days.ordered_on)') }} as integer)
            as recency_days,
        -- the last day whose purchases are known is the one before the as-of date
        cast({{ days_between('min(purchase_days.ordered_on)', add_days(as_of_date(), -1)) }} as integer) as age_days,
        {{ sum_money('purchase_days.value_net') }} as value_net
    from purchase_days
    left join paid_versions on purchase_days.account_id = paid_versions.account_id  -- at most one
    group by purchase_days.account_id
)

select * from final
