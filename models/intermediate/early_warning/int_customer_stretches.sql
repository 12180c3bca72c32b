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

-- days on which a contract was known of, running or over
with_contract as (
    select
        account_id,
        greatest(min(spell_start), known_from) as from_date,
        known_to as to_date
    from spells
    group by account_id, known_from, known_to
),

-- Who buys without a contract is a customer from the day after the first purchase on, for as long as a purchase stands
-- and no contract is known of: that makes him a customer with one for good.
turns as (
    select
        account_id,
        greatest(known_from, {{ known_from_day('ordered_at') }}) as turn_on,
        1 as purchases,
        0 as contracts
    from orders
    where greatest(known_from, {{ known_from_day('ordered_at') }}) < known_to
    union all
    select
        account_id,
        known_to as turn_on,
        -1 as purchases,
        0 as contracts
    from orders
    where greatest(known_from, {{ known_from_day('ordered_at') }}) < known_to
    union all
    select
        account_id,
        from_date as turn_on,
        0 as purchases,
        1 as contracts
    from with_contract
    where from_date < to_date
    union all
    select
        account_id,
        to_date as turn_on,
        0 as purchases,
        -1 as contracts
    from with_contract
    where from_date < to_date
),

turn_days as (
    select
        account_id,
        turn_on,
        sum(purchases) as purchases,
        sum(contracts) as contracts
    from turns
    group by account_id, turn_on
),

counted as (
    select
        account_id,
        turn_on as from_date,
        lead(turn_on) over (partition by account_id order by turn_on) as to_date,
        sum(purchases) over (
            partition by account_id order by turn_on rows between unbounded preceding and current row
        ) as purchases,
        sum(contracts) over (
            partition by account_id order by turn_on rows between unbounded preceding and current row
        ) as contracts
    from turn_days
),

buying as (
    select
        account_id,
        'no_contract' as relationship,
        from_date,
        to_date
    from counted
    where purchases > 0 and contracts = 0 and from_date < to_date
),

days as (
    select * from under_contract
    union all
    select * from buying
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
