with

orders as (
    select * from {{ ref('int_orders') }}
    where ordered_on < {{ as_of_date() }}
),

-- purchases of one day are one purchase
final as (
    select
        account_id,
        ordered_on,
        {{ sum_money('value_net') }} as value_net
    from orders
    group by account_id, ordered_on
)

select * from final
