with

orders as (
    select * from {{ ref('int_orders') }}
    where ordered_on < {{ as_of_date() }}
),

purchase_days as (
    select distinct
        account_id,
        ordered_on
    from orders
),

with_previous as (
    select
        account_id,
        ordered_on,
        lag(ordered_on) over (partition by account_id order by ordered_on) as previous_on
    from purchase_days
),

final as (
    select
        account_id,
        previous_on,
        ordered_on,
        cast({{ days_between('previous_on', 'ordered_on') }} as integer) as interval_days,
        {{ add_months('previous_on', 12) }} <= ordered_on as is_reactivation
    from with_previous
    where previous_on is not null
)

select * from final
