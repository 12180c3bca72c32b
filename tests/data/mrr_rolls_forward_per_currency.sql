-- In every original currency, what was there at the first boundary plus all movements is what is there at the last.
with

moved as (
    select
        currency,
        sum(mrr_change_original) as mrr_moved
    from {{ ref('mrr_movements') }}
    group by currency
),

ends as (
    select
        currency,
        sum(mrr_original) as mrr_end
    from {{ ref('int_subscription_states') }}
    where state_on = {{ as_of_date() }}
    group by currency
)

select
    moved.currency,
    moved.mrr_moved,
    ends.mrr_end
from moved
left join ends on moved.currency = ends.currency
where moved.mrr_moved <> coalesce(ends.mrr_end, 0)
