-- orders: of shop customers above all; amounts as text, as many exports write them
with orders as (
    select
        *,
        cast(day_of(greatest(recorded_day - days_late, won_day(account))) as timestamp)
        + to_seconds(cast(floor(86000 * draw('second', number)) as integer)) as ordered_at,
        5 + floor(20000 * power(draw('amount', number), 2)) / 100 as amount
    from placed(
        'orders', ['duplicate', 'unparsable', 'unknown_account', 'conflicting_duplicate', 'negative', 'event_after_recorded']
    )
)

select
    'O' || lpad(cast(number as varchar), 9, '0') as order_id,
    case when flaw = 'unknown_account' then 'X' || account else account_id(account) end as account_id,
    case when flaw = 'event_after_recorded' then cast(day_of(recorded_day + 9) as timestamp) else ordered_at end as ordered_at,
    case flaw
        when 'unparsable' then 'n/a'
        when 'negative' then '-1.00'
        when 'conflicting_duplicate' then cast(money(amount + 1) as varchar)
        else cast(money(amount) as varchar)
    end as amount,
    money(case when draw('discounted', number) < 0.2 then 0.1 * amount else 0 end) as discount_amount,
    money(0.55 * amount) as cost_amount,
    case when draw('returned', number) < 0.06 then money(amount * case when draw('in part', number) < 0.5 then 0.5 else 1 end) end
        as returned_amount,
    currency_of(account) as currency,
    ['cables', 'cases', 'docks', 'stands'][1 + cast(floor(4 * draw('category', number)) as integer)] as category,
    case when draw('promotion', number) < 0.1 then 'SPRING' end as promotion_code,
    case
        when days_late = 0 then ordered_at + interval 5 minutes
        else cast(day_of(recorded_day) as timestamp) + interval 12 hours
    end as recorded_at,
    flaw as planted
from orders
