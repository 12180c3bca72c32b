-- One row per event that occurs. The source does not say what the product's core is; taken here are the four daily
-- actions of selling, each used in more than four of five account-months. Change them to your reading.
select
    event_type_name as feature,
    event_type_name in ('create_opportunity', 'add_lead', 'call_lead', 'email_lead') as is_core,
    false as is_integration
from read_parquet(getvariable('source') || '/event_type.parquet')
where event_type_id in (select event_type_id from read_parquet(getvariable('source') || '/event_daily.parquet'))
order by feature
