-- One row per account, day and event type: the feature is the event. The source knows no persons within an account. Days
-- after the as-of date are handed over too; the project counts them as not yet known.
with totals as (
    select
        account_id,
        event_date,
        event_type_id,
        cast(sum(n) as bigint) as quantity
    from read_parquet(getvariable('source') || '/event_daily.parquet')
    group by account_id, event_date, event_type_id
)

select
    cast(totals.account_id as varchar) as account_id,
    cast(null as varchar) as contact_id,
    totals.event_date as used_on,
    event_type.event_type_name as feature,
    event_type.event_type_name as event_name,
    totals.quantity
from totals
inner join read_parquet(getvariable('source') || '/event_type.parquet') as event_type
    on totals.event_type_id = event_type.event_type_id
order by totals.event_date, totals.account_id, totals.event_type_id
