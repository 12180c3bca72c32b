with

spells as (
    select * from {{ ref('int_known_spells') }}
),

orders as (
    {{ known_rows('orders') }}
),

-- days under contract as known on the day itself: a spell counts as long as it was believed in
under_contract as (
    select
        account_id,
        'contract' as relationship,
        greatest(spell_start, known_from) as from_date,
        least(spell_end, known_to) as to_date
    from spells
    where greatest(spell_start, known_from) < least(spell_end, known_to)
),

first_contract_days as (
    select
        account_id,
        min(from_date) as first_contract_day
    from under_contract
    group by account_id
),

-- Who buys without a contract is a customer from the day after the first purchase on, for as long as the purchase stands; a
-- contract makes him a customer with one for good.
buying as (
    select
        orders.account_id,
        'no_contract' as relationship,
        greatest(orders.known_from, {{ known_from_day('orders.ordered_at') }}) as from_date,
        case
            when first_contract_days.first_contract_day < orders.known_to then first_contract_days.first_contract_day
            else orders.known_to
        end as to_date
    from orders
    left join first_contract_days on orders.account_id = first_contract_days.account_id  -- at most one
),

days as (
    select * from under_contract
    union all
    select * from buying
    where from_date < to_date
),

reached as (
    select
        account_id,
        relationship,
        from_date,
        to_date,
        max(to_date) over (
            partition by account_id, relationship
            order by from_date, to_date
            rows between unbounded preceding and 1 preceding
        ) as covered_to
    from days
),

numbered as (
    select
        account_id,
        relationship,
        from_date,
        to_date,
        sum(case when covered_to is null or from_date > covered_to then 1 else 0 end) over (
            partition by account_id, relationship
            order by from_date, to_date
            rows between unbounded preceding and current row
        ) as stretch_number
    from reached
),

final as (
    select
        account_id,
        relationship,
        min(from_date) as from_date,
        max(to_date) as to_date
    from numbered
    where from_date <= {{ as_of_date() }}
    group by account_id, relationship, stretch_number
)

select * from final
