-- One row per account. The source has no date of signing: an account is won on the first day of its first subscription.
-- Birth dates are not taken over: no question needs them.
with first_day as (
    select
        account_id,
        min(start_date) as acquired_on
    from read_parquet(getvariable('source') || '/subscription.parquet')
    group by account_id
)

select
    cast(account.account_id as varchar) as account_id,
    'b2c_subscription' as business_model,
    -- "None" is the simulator's text for nothing
    nullif(account.country, 'None') as country_code,
    account.channel as acquisition_channel,
    first_day.acquired_on,
    'USD' as currency
from read_parquet(getvariable('source') || '/account.parquet') as account
inner join first_day on account.account_id = first_day.account_id
order by account.account_id
