with

states as (
    select * from {{ ref('int_signal_states') }}
    where signal = 'paid_unused' and is_fired and grid_date = {{ as_of_date() }}
),

customers as (
    select * from {{ ref('int_customer_dates') }}
    where is_as_of
),

versions as (
    select * from {{ ref('int_known_versions') }}
    where known_from <= {{ as_of_date() }} and known_to > {{ as_of_date() }}
),

usage_days as (
    select * from {{ ref('int_usage_days') }}
),

plans as (
    {{ known_rows('plans') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

scores as (
    select * from {{ ref('int_health_scores') }}
    where grid_date = {{ as_of_date() }}
),

zombies as (
    select
        customers.account_id,
        cast(states.value as integer) as days_unused,
        customers.mrr,
        customers.plan,
        customers.seats
    from states
    inner join customers on states.account_id = customers.account_id  -- exactly one
),

-- use that names nobody was somebody's
users as (
    select
        account_id,
        greatest(count(distinct contact_id), 1) as active_users
    from usage_days
    where
        used_on >= {{ add_days(as_of_date(), -90) }}
        and used_on < {{ as_of_date() }}
        and known_from <= {{ as_of_date() }}
        and known_to > {{ as_of_date() }}
        and quantity > 0
    group by account_id
),

billed as (
    select
        zombies.account_id,
        versions.subscription_id,
        versions.product,
        versions.plan,
        versions.currency,
        coalesce(versions.quantity, 1) as quantity,
        versions.mrr_original,
        case
            when versions.currency <> '{{ var("reporting_currency") }}'
                then {{ billing_interval_start(
                    'versions.billed_from', 'versions.billing_interval_months', as_of_date()
                ) }}
        end as interval_start
    from zombies
    inner join versions on zombies.account_id = versions.account_id
    where versions.valid_from <= {{ as_of_date() }} and versions.valid_to > {{ as_of_date() }}
),

rated as (
    select
        billed.*,
        {{ required_rate('billed.currency', 'billed.interval_start', 'fx_rates.rate') }} as fx_rate
    from billed
    left join fx_rates  -- at most one
        on billed.currency = fx_rates.currency and billed.interval_start = fx_rates.rate_for
),

converted as (
    select
        *,
        {{ convert_money('mrr_original', 'fx_rate') }} as mrr
    from rated
),

-- the subscription that names the account's plan is the one to make smaller
ranked as (
    select
        *,
        row_number() over (partition by account_id order by mrr desc, subscription_id asc) as rank_by_mrr
    from converted
),

present as (
    select
        ranked.account_id,
        ranked.product,
        ranked.plan,
        ranked.currency,
        ranked.quantity,
        ranked.fx_rate,
        ranked.mrr,
        coalesce(users.active_users, 0) as active_users
    from ranked
    left join users on ranked.account_id = users.account_id  -- at most one
    where ranked.rank_by_mrr = 1
),

-- the price list of today: a plan may have a price in each of several currencies
dated_prices as (
    select
        *,
        row_number() over (partition by plan, currency order by valid_from desc) as newest_in_currency,
        row_number() over (partition by plan order by valid_from desc) as newest
    from plans
    where known_from <= {{ as_of_date() }} and known_to > {{ as_of_date() }} and valid_from <= {{ as_of_date() }}
),

priced as (
    select
        dated_prices.*,
        case
            when dated_prices.currency = '{{ var("reporting_currency") }}' then cast(1 as decimal(18, 8))
            else fx_rates.rate
        end as fx_rate
    from dated_prices
    left join fx_rates  -- at most one
        on dated_prices.currency = fx_rates.currency and fx_rates.rate_for = {{ as_of_date() }}
),

sold as (
    select
        plan,
        product
    from {{ ref('int_known_versions') }}
    where plan is not null and known_to = {{ open_end() }}
    group by plan, product
),

-- plans of the same product, or that nobody has bought yet
offered as (
    select
        present.account_id,
        present.product,
        prices.plan
    from present
    inner join priced as prices on prices.newest = 1
    left join sold on prices.plan = sold.plan
    where sold.plan is null or sold.product is not distinct from present.product
    group by present.account_id, present.product, prices.plan
),

candidates as (
    select
        present.account_id,
        present.active_users,
        present.mrr as present_mrr,
        present.quantity as present_quantity,
        prices.plan,
        prices.tier_rank,
        prices.list_amount,
        prices.billing_interval_months,
        case when prices.currency = present.currency then present.fx_rate else prices.fx_rate end as fx_rate,
        -- a plan that names no seats is sold by the seat
        case
            when present.active_users <= coalesce(prices.seats, 1) then 1
            else cast(ceil(
                cast(present.active_users as double) / nullif(cast(coalesce(prices.seats, 1) as double), 0e0)
            ) as integer)
        end as plan_quantity,
        row_number() over (
            partition by present.account_id, prices.plan
            order by
                case
                    when prices.currency = present.currency then 0
                    when prices.currency = '{{ var("reporting_currency") }}' then 1
                    else 2
                end asc,
                prices.currency asc
        ) as currency_choice
    from present
    inner join priced as plan_now on present.plan = plan_now.plan and plan_now.newest = 1  -- at most one
    inner join offered on present.account_id = offered.account_id
    inner join priced as prices
        on offered.plan = prices.plan and prices.newest_in_currency = 1 and prices.tier_rank < plan_now.tier_rank
    -- what cannot be converted cannot be proposed
    where prices.currency = present.currency or prices.fx_rate is not null
),

sized as (
    select
        account_id,
        active_users,
        present_mrr,
        plan,
        tier_rank,
        plan_quantity,
        {{ convert_money(money_per_month('list_amount', 'plan_quantity', 'billing_interval_months'), 'fx_rate') }}
            as plan_mrr
    from candidates
    where currency_choice = 1 and plan_quantity <= greatest(present_quantity, 1)
),

-- the next smaller plan that holds who was there lately; nobody was: the smallest
fitting as (
    select
        *,
        row_number() over (
            partition by account_id
            order by case when active_users = 0 then tier_rank else -tier_rank end asc, plan_mrr asc, plan asc
        ) as fit
    from sized
    where plan_mrr < present_mrr
),

proposed as (
    select
        account_id,
        plan as proposed_plan,
        plan_quantity as proposed_quantity,
        cast(present_mrr - plan_mrr as decimal(38, 4)) as saving_mrr
    from fitting
    where fit = 1
),

final as (
    select
        zombies.account_id,
        zombies.days_unused,
        zombies.plan,
        zombies.seats,
        cast(coalesce(users.active_users, 0) as bigint) as active_users_90,
        zombies.mrr,
        case when proposed.account_id is null then 'pause' else 'smaller_plan' end as proposal,
        proposed.proposed_plan,
        proposed.proposed_quantity,
        cast(coalesce(zombies.mrr - proposed.saving_mrr, 0) as decimal(38, 4)) as proposed_mrr,
        cast(coalesce(proposed.saving_mrr, zombies.mrr) as decimal(38, 4)) as saving_mrr,
        zombies.mrr as mrr_at_risk,
        scores.churn_probability
    from zombies
    left join users on zombies.account_id = users.account_id  -- at most one
    left join proposed on zombies.account_id = proposed.account_id  -- at most one
    left join scores on zombies.account_id = scores.account_id  -- at most one
)

select * from final
