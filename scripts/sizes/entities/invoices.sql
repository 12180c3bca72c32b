-- invoices: one per billing interval while the contract runs; its payment is delivered as a later row where it comes later
with issued as (
    select
        a,
        k,
        cast(day_of(won_day(a)) + to_months(cast(k * interval_of(a) as integer)) as date) as issued_on,
        flaw_of(37 * a + k, ['duplicate', 'unknown_account', 'not_in_list', 'missing_value']) as flaw
    from range(0, first_account_of(getvariable('to_day') + 1)) as numbers (a), range(0, 37) as intervals (k)
    where a % 5 < 3
),

due as (
    select
        *,
        cast(issued_on + 14 as date) as due_on,
        cast(case
            when draw('never pays', a, k) < 0.004 then null
            when draw('pays late', a, k) < 0.03 then issued_on + 30 + cast(floor(50 * draw('how late', a, k)) as integer)
            else issued_on + 2 + cast(floor(12 * draw('pays', a, k)) as integer)
        end as date) as paid_on
    from issued
    where issued_on < end_of_life(a) or end_of_life(a) is null
),

deliveries as (
    select
        *,
        issued_on as recorded_on
    from due
    union all
    select
        *,
        paid_on as recorded_on
    from due
    where number_of(issued_on) < getvariable('from_day')
)

select
    'I' || lpad(cast(a as varchar), 8, '0') || '-' || k as invoice_id,
    case when flaw = 'unknown_account' then 'X' || a else account_id(a) end as account_id,
    'S' || lpad(cast(a as varchar), 8, '0') || '-1' as subscription_id,
    issued_on,
    due_on,
    so_far(paid_on, getvariable('to_day')) as paid_on,
    case when flaw = 'missing_value' then null else money(list_price(plan_of(a)) * interval_of(a)) end as amount,
    currency_of(a) as currency,
    case when flaw = 'not_in_list' then 'lost' when so_far(paid_on, getvariable('to_day')) is null then 'open' else 'paid' end
        as status,
    case when draw('refund', a, k) < 0.005 then money(list_price(plan_of(a)) * interval_of(a) / 2) end as refunded_amount,
    cast(recorded_on as timestamp) + interval 12 hours as recorded_at,
    flaw as planted
from (
    select
        *,
        unnest(range(case when flaw = 'duplicate' then 2 else 1 end)) as copy
    from deliveries
)
where number_of(recorded_on) >= getvariable('from_day') and number_of(recorded_on) < getvariable('to_day')
