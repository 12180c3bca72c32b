-- One row per month paid: a version of the account's only subscription. Ends after the as-of date are handed over too;
-- the project does not know them yet.
select
    cast(account_id as varchar) as subscription_id,
    start_date as valid_from,
    cast(account_id as varchar) as account_id,
    product,
    product as plan,
    1 as quantity,
    mrr * bill_period_months as amount,
    'USD' as currency,
    bill_period_months as billing_interval_months,
    end_date as valid_to,
    bill_period_months as contract_term_months,
    end_date as contract_end_on,
    true as auto_renews
from read_parquet(getvariable('source') || '/subscription.parquet')
order by account_id, start_date
