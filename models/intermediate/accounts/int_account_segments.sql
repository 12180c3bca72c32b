with

presence as (
    select
        account_id,
        segment_on,
        first_paid_day as first_day
    from {{ ref('int_account_presence') }}
),

first_purchases as (
    select
        account_id,
        first_purchase_on as segment_on,
        first_purchase_on as first_day
    from {{ ref('int_customer_purchases') }}
    where is_without_contract
),

accounts as (
    select * from {{ ref('accounts') }}
),

account_history as (
    select * from {{ ref('account_history') }}
),

account_managers as (
    select * from {{ ref('account_managers') }}
),

states as (
    select * from {{ ref('int_account_states') }}
),

first_paid_days as (
    select
        account_id,
        first_paid_day as segment_on,
        first_paid_day as first_day
    from {{ ref('int_account_presence') }}
    group by account_id, first_paid_day
),

-- customers of the as-of date and of a year before it: portfolios are compared between the two
portfolio_days as (
    select {{ as_of_date() }} as portfolio_on
    union all
    select {{ add_months(as_of_date(), -12) }} as portfolio_on
),

contracts_on_days as (
    select
        states.account_id,
        states.state_on as segment_on,
        first_paid_days.first_day
    from states
    inner join portfolio_days on states.state_on = portfolio_days.portfolio_on
    inner join first_paid_days on states.account_id = first_paid_days.account_id  -- exactly one
),

buyers_on_days as (
    select
        first_purchases.account_id,
        portfolio_days.portfolio_on as segment_on,
        first_purchases.first_day
    from first_purchases
    inner join portfolio_days on first_purchases.first_day < portfolio_days.portfolio_on
),

needed as (
    select * from presence
    union
    select * from first_paid_days
    union
    select * from first_purchases
    union
    select * from contracts_on_days
    union
    select * from buyers_on_days
),

-- the first known values hold for the time before them too; nothing nearer is known
history as (
    select
        account_history.*,
        case
            when row_number() over (partition by account_id order by valid_from) = 1 then cast('0001-01-01' as date)
            else valid_from
        end as holds_from,
        coalesce(lead(valid_from) over (partition by account_id order by valid_from), {{ open_end() }}) as holds_to
    from account_history
),

-- a later manager takes over even where the earlier one's time was left open
managers as (
    select
        account_id,
        account_manager_id,
        valid_from,
        least(
            coalesce(valid_to, {{ open_end() }}),
            coalesce(lead(valid_from) over (partition by account_id order by valid_from), {{ open_end() }})
        ) as valid_to
    from account_managers
    where valid_to is null or valid_to > valid_from
),

joined as (
    select
        needed.account_id,
        needed.segment_on,
        accounts.business_model,
        coalesce(history.industry, accounts.industry) as industry,
        coalesce(history.company_size, accounts.company_size) as company_size,
        accounts.country_code,
        coalesce(history.region, accounts.region) as region,
        accounts.acquisition_channel,
        history.plan_tier,
        coalesce(managers.account_manager_id, history.account_manager_id) as account_manager,
        states.plan,
        states.contract_term_months,
        states.mrr,
        {{ complete_months_between('needed.first_day', 'needed.segment_on') }} as tenure_months
    from needed
    inner join accounts on needed.account_id = accounts.account_id  -- exactly one
    left join history  -- at most one
        on
            needed.account_id = history.account_id
            and needed.segment_on >= history.holds_from
            and needed.segment_on < history.holds_to
    left join managers  -- at most one
        on
            needed.account_id = managers.account_id
            and needed.segment_on >= managers.valid_from
            and needed.segment_on < managers.valid_to
    left join states  -- at most one
        on needed.account_id = states.account_id and needed.segment_on = states.state_on
),

final as (
    select
        account_id,
        segment_on,
        coalesce(business_model, 'unknown') as business_model,
        coalesce(industry, 'unknown') as industry,
        coalesce(company_size, 'unknown') as company_size,
        coalesce(country_code, 'unknown') as country_code,
        coalesce(region, 'unknown') as region,
        coalesce(acquisition_channel, 'unknown') as acquisition_channel,
        coalesce(plan, 'unknown') as plan,
        coalesce(plan_tier, 'unknown') as plan_tier,
        {{ contract_length('contract_term_months') }} as contract_length,
        {{ revenue_band('mrr') }} as revenue_band,
        {{ tenure_band('tenure_months') }} as tenure_band,
        coalesce(account_manager, 'unknown') as account_manager
    from joined
)

select * from final
