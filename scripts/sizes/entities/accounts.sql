-- accounts: won evenly over the history, known from the day before
with numbered as (
    select
        a,
        won_day(a) as won,
        flaw_of(a, ['duplicate', 'missing_key', 'not_in_list', 'impossible_date_order']) as flaw
    from range(first_account_of(getvariable('from_day') + 1), first_account_of(getvariable('to_day') + 1)) as numbers (a)
)

select
    case when flaw <> 'missing_key' or flaw is null then account_id(a) end as account_id,
    'Customer ' || a as account_name,
    cast(null as varchar) as parent_account_id,
    -- now and then an account turns out to be an earlier one
    case when a % 2000 = 1011 then account_id(a - 40) end as merged_into,
    a % 2500 = 12 as is_test,
    business_model_of(a % 40) as business_model,
    ['software', 'retail', 'finance', 'health', 'media', 'public'][1 + cast(floor(6 * draw('industry', a)) as integer)]
        as industry,
    case when flaw = 'not_in_list' then 'huge' else size_of(a) end as company_size,
    cast(null as integer) as employee_count,
    ['DE', 'FR', 'GB', 'US', 'CH'][1 + cast(floor(5 * draw('country', a)) as integer)] as country_code,
    ['north', 'south', 'east', 'west'][1 + cast(floor(4 * draw('region', a)) as integer)] as region,
    ['inbound', 'outbound', 'partner', 'referral'][1 + cast(floor(4 * draw('channel', a)) as integer)]
        as acquisition_channel,
    day_of(won) as acquired_on,
    currency_of(a) as currency,
    cast(case when draw('has margin', a) < 0.1 then 0.6 end as decimal(18, 8)) as gross_margin,
    case when flaw = 'impossible_date_order' then day_of(won - 10) end as closed_on,
    cast(day_of(won - 1) as timestamp) + interval 12 hours as recorded_at,
    flaw as planted
from (
    select
        *,
        unnest(range(case when flaw = 'duplicate' then 2 else 1 end)) as copy
    from numbered
)
