with

customer_purchases as (
    select * from {{ ref('int_customer_purchases') }}
    where is_without_contract
),

int_orders as (
    select * from {{ ref('int_orders') }}
),

orders as (
    select
        order_id,
        cost_amount
    from {{ ref('orders') }}
),

accounts as (
    select * from {{ ref('accounts') }}
),

first_days as (
    select
        int_orders.account_id,
        int_orders.ordered_on,
        {{ sum_money('int_orders.value_net') }} as value_net,
        {{ sum_money(convert_money('orders.cost_amount', 'int_orders.fx_rate')) }} as stated_goods_cost,
        count(*) = count(orders.cost_amount) as has_goods_cost
    from customer_purchases
    inner join int_orders
        on
            customer_purchases.account_id = int_orders.account_id
            and customer_purchases.first_purchase_on = int_orders.ordered_on
    inner join orders on int_orders.order_id = orders.order_id  -- exactly one
    group by int_orders.account_id, int_orders.ordered_on
),

costed as (
    select
        first_days.account_id,
        first_days.ordered_on,
        first_days.value_net,
        case
            when first_days.has_goods_cost then first_days.stated_goods_cost
            else {{ convert_money(
                'first_days.value_net', 'cast(1 as decimal(18, 8)) - ' ~ gross_margin_of('accounts')
            ) }}
        end as goods_cost
    from first_days
    inner join accounts on first_days.account_id = accounts.account_id  -- exactly one
),

final as (
    select
        account_id,
        ordered_on,
        value_net,
        goods_cost,
        cast(value_net - goods_cost as decimal(38, 4)) as margin
    from costed
)

select * from final
