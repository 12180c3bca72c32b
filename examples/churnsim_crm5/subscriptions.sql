-- One row per renewal: a version of the subscription "account and product" for one contract term.
with subscription as (
    select * from read_parquet(getvariable('source') || '/subscription.parquet')
),

-- What an account has is one base product, priced by seats (starter_mthly ... premier_annual), and two add-ons.
base_product as (
    select
        account_id,
        start_date,
        end_date,
        split_part(product, '_', 1) as plan
    from subscription
    where units = 'users'
),

-- The undiscounted price of a product: what those without a discount pay.
list_price as (
    select
        product,
        max(mrr) as list_mrr
    from subscription
    group by product
)

select
    subscription.account_id || '-' || subscription.product as subscription_id,
    subscription.start_date as valid_from,
    cast(subscription.account_id as varchar) as account_id,
    subscription.product,
    -- An add-on carries the plan of its base product: 300 for meetings outweigh 100 for a starter plan, and the account
    -- would else count under the plan "meetings".
    base_product.plan,
    -- The source's own quantity is a limit (seats, searches, meetings included), not a multiplier of the price.
    1 as quantity,
    subscription.mrr * subscription.bill_period_months as amount,
    list_price.list_mrr * subscription.bill_period_months as list_amount,
    'USD' as currency,
    subscription.bill_period_months as billing_interval_months,
    subscription.end_date as valid_to,
    -- Each row is one term: paid in advance for the whole of it, and followed by the next row when renewed.
    subscription.bill_period_months as contract_term_months,
    -- The term ends with the base product's: one add-on was dropped two months into its six.
    base_product.end_date as contract_end_on,
    true as auto_renews
from subscription
inner join list_price on subscription.product = list_price.product
inner join base_product
    on
        subscription.account_id = base_product.account_id
        and subscription.start_date >= base_product.start_date
        and subscription.start_date < base_product.end_date
order by subscription.account_id, subscription.product, subscription.start_date
