with

orders as (
    select
        order_id,
        account_id,
        {{ local_day('ordered_at') }} as ordered_on,
        ordered_at,
        currency,
        amount,
        coalesce(discount_amount, 0) as discount_amount,
        coalesce(returned_amount, 0) as returned_amount
    from {{ ref('orders') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

rated as (
    select
        orders.*,
        {{ required_rate('orders.currency', 'orders.ordered_on', 'fx_rates.rate') }} as fx_rate
    from orders
    left join fx_rates on orders.currency = fx_rates.currency and orders.ordered_on = fx_rates.rate_for  -- at most one
),

final as (
    select
        order_id,
        account_id,
        ordered_on,
        ordered_at,
        currency,
        fx_rate,
        {{ convert_money('amount - returned_amount', 'fx_rate') }} as value_net,
        {{ convert_money('amount', 'fx_rate') }} as value_gross,
        {{ convert_money('discount_amount', 'fx_rate') }} as discount_value
    from rated
)

select * from final
