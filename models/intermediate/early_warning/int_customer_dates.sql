with

dates as (
    select * from {{ ref('int_signal_dates') }}
),

stretches as (
    select * from {{ ref('int_customer_stretches') }}
),

versions as (
    select * from {{ ref('int_known_versions') }}
),

spells as (
    select * from {{ ref('int_known_spells') }}
),

cancellations as (
    {{ known_rows('cancellations') }}
),

plans as (
    {{ known_rows('plans') }}
),

accounts as (
    select * from {{ ref('accounts') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

customers as (
    select
        dates.grid_date,
        dates.is_month_start,
        dates.is_as_of,
        dates.is_delta,
        stretches.account_id,
        stretches.relationship,
        stretches.from_date as customer_since
    from dates
    inner join stretches on dates.grid_date >= stretches.from_date and dates.grid_date < stretches.to_date
),

-- the subscriptions in force, as believed on the day
in_force as (
    select
        customers.grid_date,
        versions.*,
        case
            when versions.currency <> '{{ var("reporting_currency") }}'
                then {{ billing_interval_start('versions.billed_from', 'versions.billing_interval_months', 'customers.grid_date') }}
        end as interval_start
    from customers
    inner join versions
        on
            customers.account_id = versions.account_id
            and customers.grid_date >= versions.known_from
            and customers.grid_date < versions.known_to
            and customers.grid_date >= versions.valid_from
            and customers.grid_date < versions.valid_to
    where customers.relationship = 'contract'
),

-- the price list of the day says how many seats a plan has
plan_seats as (
    select
        dates.grid_date,
        plans.plan,
        plans.seats,
        row_number() over (partition by dates.grid_date, plans.plan order by plans.valid_from desc) as newest
    from dates
    inner join plans
        on
            dates.grid_date >= plans.known_from
            and dates.grid_date < plans.known_to
            and dates.grid_date >= plans.valid_from
),

-- Notice, or a contract that does not renew by itself, ends a subscription with its term; a cancellation on the day it names.
-- Without a day it is the next one on which the subscription is billed anew.
ends as (
    select
        in_force.grid_date,
        in_force.subscription_id,
        case
            when in_force.notice_given_on <= in_force.grid_date or not in_force.auto_renews
                then case
                    when in_force.contract_end_on > in_force.grid_date then in_force.contract_end_on
                    when in_force.notice_given_on <= in_force.grid_date then {{ next_billing_day('in_force') }}
                end
        end as ends_with_term_on,
        {{ next_billing_day('in_force') }} as next_billing_on
    from in_force
),

requested as (
    select
        in_force.grid_date,
        in_force.subscription_id,
        min(coalesce(cancellations.effective_on, case
            when in_force.contract_end_on > in_force.grid_date then in_force.contract_end_on
            else {{ next_billing_day('in_force') }}
        end)) as cancelled_on
    from in_force
    inner join cancellations
        on
            in_force.account_id = cancellations.account_id
            and (cancellations.subscription_id is null or in_force.subscription_id = cancellations.subscription_id)
            and in_force.grid_date >= cancellations.known_from
            and in_force.grid_date < cancellations.known_to
            and in_force.grid_date > cancellations.requested_on
    where
        -- what should have ended by now and has not was taken back
        cancellations.effective_on > in_force.grid_date
        or (cancellations.effective_on is null and cancellations.requested_on >= {{ last_billing_day('in_force') }})
    group by in_force.grid_date, in_force.subscription_id
),

rated as (
    select
        in_force.grid_date,
        in_force.account_id,
        in_force.subscription_id,
        in_force.plan,
        in_force.billing_interval_months,
        in_force.contract_term_months,
        coalesce(in_force.quantity, 1) as quantity,
        coalesce(in_force.quantity, 1) * plan_seats.seats as seats,
        {{ required_rate('in_force.currency', 'in_force.interval_start', 'fx_rates.rate') }} as fx_rate,
        in_force.mrr_original,
        in_force.discount_original,
        case
            when requested.cancelled_on < ends.ends_with_term_on then requested.cancelled_on
            else coalesce(ends.ends_with_term_on, requested.cancelled_on)
        end as ends_on
    from in_force
    inner join ends  -- exactly one
        on in_force.grid_date = ends.grid_date and in_force.subscription_id = ends.subscription_id
    left join requested  -- at most one
        on in_force.grid_date = requested.grid_date and in_force.subscription_id = requested.subscription_id
    left join plan_seats  -- at most one
        on in_force.grid_date = plan_seats.grid_date and in_force.plan = plan_seats.plan and plan_seats.newest = 1
    left join fx_rates  -- at most one
        on in_force.currency = fx_rates.currency and in_force.interval_start = fx_rates.rate_for
),

converted as (
    select
        *,
        {{ convert_money('mrr_original', 'fx_rate') }} as mrr,
        {{ convert_money('discount_original', 'fx_rate') }} as discount
    from rated
),

ranked as (
    select
        *,
        row_number() over (partition by account_id, grid_date order by mrr desc, subscription_id asc) as rank_by_mrr
    from converted
),

contracts as (
    select
        grid_date,
        account_id,
        {{ sum_money('mrr') }} as mrr,
        {{ sum_money('discount') }} as discount,
        max(case when rank_by_mrr = 1 then plan end) as plan,
        max(case when rank_by_mrr = 1 then billing_interval_months end) as billing_interval_months,
        max(case when rank_by_mrr = 1 then contract_term_months end) as contract_term_months,
        -- without a price list that names seats, what was bought is what may be used
        cast(coalesce(sum(seats), sum(quantity)) as bigint) as seats,
        -- the account ends with its last subscription, if the end of each is known
        case when count(*) = count(ends_on) then max(ends_on) end as known_end_on
    from ranked
    group by grid_date, account_id
),

first_days as (
    select
        customers.grid_date,
        customers.account_id,
        min(spells.spell_start) as first_paid_on
    from customers
    inner join spells
        on
            customers.account_id = spells.account_id
            and customers.grid_date >= spells.known_from
            and customers.grid_date < spells.known_to
            and customers.grid_date >= spells.spell_start
    where customers.relationship = 'contract'
    group by customers.grid_date, customers.account_id
),

final as (
    select
        customers.grid_date,
        customers.is_month_start,
        customers.is_as_of,
        customers.is_delta,
        customers.account_id,
        customers.relationship,
        coalesce(accounts.business_model, 'unknown') as business_model,
        customers.customer_since,
        first_days.first_paid_on,
        cast({{ days_between('coalesce(first_days.first_paid_on, customers.customer_since)', 'customers.grid_date') }} as integer)
            as tenure_days,
        contracts.mrr,
        contracts.billing_interval_months,
        contracts.contract_term_months,
        case
            when contracts.mrr + contracts.discount > 0
                then cast(contracts.discount as double) / cast(contracts.mrr + contracts.discount as double)
        end as discount_share,
        contracts.seats,
        contracts.plan,
        contracts.known_end_on
    from customers
    inner join accounts on customers.account_id = accounts.account_id  -- exactly one
    left join contracts  -- at most one
        on customers.grid_date = contracts.grid_date and customers.account_id = contracts.account_id
    left join first_days  -- at most one
        on customers.grid_date = first_days.grid_date and customers.account_id = first_days.account_id
)

select * from final
