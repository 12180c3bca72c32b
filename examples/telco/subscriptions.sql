-- One row per customer. The file is a snapshot: months of tenure, and whether the customer left within the last month.
-- The snapshot's day is the as-of date; whoever left is not served from that day on.
with customer as (
    select *
    from read_csv(getvariable('source') || '/Telco-Customer-Churn.csv', header = true, all_varchar = true)
)

select
    "customerID" || '-1' as subscription_id,
    cast(cast(getvariable('as_of_date') as date) - to_months(cast(tenure as integer)) as date) as valid_from,
    "customerID" as account_id,
    case
        when "PhoneService" = 'No' then 'internet'
        when "InternetService" = 'No' then 'phone'
        else 'phone and internet'
    end as product,
    case "InternetService"
        when 'No' then 'no internet'
        when 'DSL' then 'dsl'
        when 'Fiber optic' then 'fiber'
        else error('InternetService: ' || "InternetService")
    end as plan,
    1 as quantity,
    -- Today's charge; what was paid in earlier months is not in the file.
    cast("MonthlyCharges" as decimal(18, 2)) as amount,
    'USD' as currency,
    1 as billing_interval_months,
    case "Churn"
        when 'Yes' then cast(getvariable('as_of_date') as date)
        when 'No' then null
        else error('Churn: ' || "Churn")
    end as valid_to,
    case "Contract"
        when 'Month-to-month' then 1
        when 'One year' then 12
        when 'Two year' then 24
        else error('Contract: ' || "Contract")
    end as contract_term_months
from customer
order by subscription_id
