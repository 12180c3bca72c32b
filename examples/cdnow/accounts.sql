-- One row per customer, won with the first purchase.
with line as (
    select regexp_extract_all(trim(unnest(string_split(replace(content, chr(13), ''), chr(10)))), '\S+') as field
    from read_text(getvariable('source') || '/CDNOW_sample.txt')
),

purchase as (
    select
        field[2] as account_id,
        cast(strptime(field[3], '%Y%m%d') as date) as bought_on
    from line
    where len(field) > 0
)

select
    account_id,
    'b2c_shop' as business_model,
    min(bought_on) as acquired_on,
    'USD' as currency
from purchase
group by account_id
order by account_id
