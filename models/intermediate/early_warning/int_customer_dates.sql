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
                then {{ billing_interval_start(
                    'versions.billed_from', 'versions.billing_interval_months', 'customers.grid_date'
                ) }}
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

{{ requested_end_steps() }},

running_spells as (
    select
        customers.grid_date,
        customers.account_id,
        max(spells.spell_start) as spell_start,
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

-- of the ends known of a subscription, the first
requested as (
    select
        in_force.grid_date,
        in_force.subscription_id,
        min(requested_ends.cancelled_on) as cancelled_on
    from in_force
    inner join running_spells  -- exactly one
        on in_force.grid_date = running_spells.grid_date and in_force.account_id = running_spells.account_id
    inner join requested_ends
        on
            in_force.account_id = requested_ends.account_id
            and (requested_ends.subscription_id is null or in_force.subscription_id = requested_ends.subscription_id)
            and in_force.grid_date >= requested_ends.from_date
            and in_force.grid_date < requested_ends.to_date
            and (requested_ends.is_dated or requested_ends.requested_on >= running_spells.spell_start)
    group by in_force.grid_date, in_force.subscription_id
),

ends as (
    select
        in_force.grid_date,
        in_force.subscription_id,
        -- notice ends a subscription with its term; one that does not renew by itself ends where its end is stated
        case
            when in_force.notice_given_on <= in_force.grid_date then {{ end_of_term('in_force', 'in_force.grid_date') }}
            when not in_force.auto_renews and in_force.contract_end_on > in_force.grid_date
                then in_force.contract_end_on
        end as ends_with_term_on,
        requested.cancelled_on
    from in_force
    left join requested  -- at most one
        on in_force.grid_date = requested.grid_date and in_force.subscription_id = requested.subscription_id
),

rated as (
    select
        in_force.grid_date,
        in_force.account_id,
        in_force.subscription_id,
        in_force.plan,
        in_force.billing_interval_months,
        in_force.contract_term_months,
        -- without a price list that names seats, what was bought is what may be used
        cast(coalesce(in_force.quantity, 1) * coalesce(plan_seats.seats, 1) as decimal(18, 4)) as seats,
        {{ required_rate('in_force.currency', 'in_force.interval_start', 'fx_rates.rate') }} as fx_rate,
        in_force.mrr_original,
        in_force.discount_original,
        case
            when ends.cancelled_on < ends.ends_with_term_on then ends.cancelled_on
            else coalesce(ends.ends_with_term_on, ends.cancelled_on)
        end as ends_on
    from in_force
    inner join ends  -- exactly one
        on in_force.grid_date = ends.grid_date and in_force.subscription_id = ends.subscription_id
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
        cast(sum(seats) as decimal(18, 4)) as seats,
        -- the account ends with its last subscription, if the end of each is known
        case when count(*) = count(ends_on) then max(ends_on) end as known_end_on
    from ranked
    group by grid_date, account_id
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
        running_spells.first_paid_on,
        cast({{ days_between(
            'coalesce(running_spells.first_paid_on, customers.customer_since)', 'customers.grid_date'
        ) }} as integer) as tenure_days,
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
    left join running_spells  -- at most one
        on customers.grid_date = running_spells.grid_date and customers.account_id = running_spells.account_id
)

select * from final
