-- Buyers, purchase days and value, counted straight from the conformed orders without any model between.
with

source as (
    select
        count(distinct account_id) as buyers,
        count(distinct concat(account_id, '|', cast({{ local_day('ordered_at') }} as {{ dbt.type_string() }})))
            as purchase_days,
        count(*) as orders
    from {{ ref('orders') }}
    where {{ local_day('ordered_at') }} < {{ as_of_date() }}
),

modelled as (
    select
        count(*) as buyers,
        coalesce(sum(purchase_days), 0) as purchase_days,
        coalesce(sum(repeat_purchases), 0) as repeat_purchases,
        coalesce(sum(value_net), 0) as value_net
    from {{ ref('int_customer_purchases') }}
),

valued as (
    select coalesce(sum(value_net), 0) as value_net from {{ ref('int_orders') }}
    where ordered_on < {{ as_of_date() }}
),

intervals as (
    select count(*) as intervals from {{ ref('int_purchase_intervals') }}
)

select
    source.buyers,
    modelled.buyers as modelled_buyers,
    source.purchase_days,
    modelled.purchase_days as modelled_purchase_days,
    modelled.repeat_purchases,
    intervals.intervals,
    valued.value_net,
    modelled.value_net as modelled_value_net
from source
cross join modelled
cross join valued
cross join intervals
where
    source.buyers <> modelled.buyers
    or source.purchase_days <> modelled.purchase_days
    or modelled.repeat_purchases <> intervals.intervals
    or modelled.value_net <> valued.value_net
