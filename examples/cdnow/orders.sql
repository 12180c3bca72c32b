-- One row per line of the file: number among all customers, number in the sample, day, number of CDs, dollars.
with line as (
    select regexp_extract_all(trim(unnest(string_split(replace(content, chr(13), ''), chr(10)))), '\S+') as field
    from read_text(getvariable('source') || '/CDNOW_sample.txt')
),

purchase as (
    select
        field[2] as account_id,
        cast(strptime(field[3], '%Y%m%d') as date) as bought_on,
        cast(field[4] as integer) as number_of_cds,
        cast(field[5] as decimal(18, 2)) as dollars
    from line
    where len(field) > 0
)

select
    -- Several purchases on one day are several lines without a number of their own.
    account_id || '-' || strftime(bought_on, '%Y%m%d') || '-'
    || row_number() over (partition by account_id, bought_on order by dollars, number_of_cds) as order_id,
    account_id,
    -- The file knows the day only; noon UTC lies on it in nearly every reporting time zone.
    bought_on + interval 12 hour as ordered_at,
    dollars as amount,
    'USD' as currency,
    'cd' as category
from purchase
order by account_id, ordered_at, order_id
