-- One row per event type. The source does not say what the product's core is; taken here is what people come to a social
-- network for: to post, to answer and to write to each other. Change it to your reading.
select
    event_type_name as feature,
    event_type_name in ('post', 'reply', 'message') as is_core,
    false as is_integration
from read_parquet(getvariable('source') || '/event_type.parquet')
order by feature
