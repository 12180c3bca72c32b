-- One row per account. The source has no date of signing: an account is won on the first day of its first subscription.
with subscription as (
    select * from read_parquet(getvariable('source') || '/subscription.parquet')
),

first_day as (
    select
        account_id,
        min(start_date) as acquired_on
    from subscription
    group by account_id
)

select
    cast(account.account_id as varchar) as account_id,
    'b2b_contract' as business_model,
    -- The column is called country and holds two-letter codes of US states; "None" is the simulator's text for nothing.
    nullif(account.country, 'None') as region,
    account.channel as acquisition_channel,
    first_day.acquired_on,
    'USD' as currency
from read_parquet(getvariable('source') || '/account.parquet') as account
inner join first_day on account.account_id = first_day.account_id
order by account.account_id
