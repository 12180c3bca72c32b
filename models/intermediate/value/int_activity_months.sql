with

spells as (
    select
        account_id,
        spell_start as active_from,
        least(spell_end, {{ as_of_date() }}) as active_to
    from {{ ref('int_account_spells') }}
    where spell_start < {{ as_of_date() }}
),

contract_accounts as (
    select distinct account_id from {{ ref('int_paid_versions') }}
),

customer_purchases as (
    select * from {{ ref('int_customer_purchases') }}
    where is_without_contract
),

orders as (
    select * from {{ ref('int_orders') }}
    where ordered_on < {{ as_of_date() }}
),

support_tickets as (
    select
        account_id,
        {{ local_day('opened_at') }} as opened_on
    from {{ ref('support_tickets') }}
    where {{ local_day('opened_at') }} < {{ as_of_date() }}
),

periods as (
    select
        period_start as month_start,
        next_period_start as next_month_start
    from {{ ref('int_periods') }}
    where period_grain = 'month'
),

-- who buys without contract counts as active for twelve months from each purchase, or until the next if that is sooner
purchase_days as (
    select distinct
        orders.account_id,
        orders.ordered_on
    from orders
    inner join customer_purchases on orders.account_id = customer_purchases.account_id  -- exactly one
),

purchase_stretches as (
    select
        account_id,
        ordered_on as active_from,
        least(
            {{ add_months('ordered_on', 12) }},
            coalesce(lead(ordered_on) over (partition by account_id order by ordered_on), {{ as_of_date() }}),
            {{ as_of_date() }}
        ) as active_to
    from purchase_days
),

stretches as (
    select * from spells
    union all
    select * from purchase_stretches
),

parts as (
    select
        stretches.account_id,
        periods.month_start,
        {{ days_between(
            'greatest(stretches.active_from, periods.month_start)',
            'least(stretches.active_to, periods.next_month_start)'
        ) }} as active_days,
        0 as tickets
    from stretches
    inner join periods
        on periods.month_start < stretches.active_to and periods.next_month_start > stretches.active_from
    union all
    select
        account_id,
        {{ period_start_of('month', 'opened_on') }} as month_start,
        0 as active_days,
        1 as tickets
    from support_tickets
),

counted as (
    select
        account_id,
        month_start,
        cast(sum(active_days) as bigint) as active_days,
        cast(sum(tickets) as bigint) as tickets
    from parts
    group by account_id, month_start
),

final as (
    select
        counted.account_id,
        counted.month_start,
        case
            when contract_accounts.account_id is not null then 'contract'
            when customer_purchases.account_id is not null then 'no_contract'
            else 'none'
        end as relationship,
        counted.active_days,
        counted.tickets
    from counted
    left join contract_accounts on counted.account_id = contract_accounts.account_id  -- at most one
    left join customer_purchases on counted.account_id = customer_purchases.account_id  -- at most one
)

select * from final
