-- One row per customer, won `tenure` months before the as-of date. Gender, age, partner and dependents are not taken
-- over: no mart needs them, and personal data that is not there need not be protected.
select
    "customerID" as account_id,
    'b2c_subscription' as business_model,
    cast(cast(getvariable('as_of_date') as date) - to_months(cast(tenure as integer)) as date) as acquired_on,
    'USD' as currency
from read_csv(getvariable('source') || '/Telco-Customer-Churn.csv', header = true, all_varchar = true)
order by account_id
