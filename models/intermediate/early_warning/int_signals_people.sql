with

contacts as (
    {{ known_rows('contacts') }}
),

contact_roles as (
    {{ known_rows('contact_roles') }}
),

departures as (
    select * from {{ ref('int_champion_departures') }}
),

stretches as (
    select * from {{ ref('int_customer_stretches') }}
),

champion_left as (
    select window_days
    from {{ ref('signals') }}
    where signal = 'champion_left'
),

customers as (
    select account_id
    from stretches
    group by account_id
),

-- who has, or had, a champion or decision maker can lose one; of others nothing is known
held as (
    select
        contacts.account_id,
        greatest(contacts.known_from, contact_roles.known_from, contact_roles.valid_from) as from_day,
        least(contacts.known_to, contact_roles.known_to) as to_day
    from contacts
    inner join contact_roles on contacts.contact_id = contact_roles.contact_id
    where
        contact_roles.role in ('champion', 'decision_maker')
        and (contact_roles.valid_to is null or contact_roles.valid_to > contact_roles.valid_from)
),

in_window as (
    select
        departures.account_id,
        departures.contact_id,
        departures.seen_from as from_day,
        least(departures.known_to, {{ add_days('departures.left_on', '1 + champion_left.window_days') }}) as to_day
    from departures
    cross join champion_left
    where departures.seen_from < {{ add_days('departures.left_on', '1 + champion_left.window_days') }}
),

-- who leaves twice within the window is one person
reached as (
    select
        *,
        max(to_day) over (
            partition by account_id, contact_id
            order by from_day, to_day
            rows between unbounded preceding and 1 preceding
        ) as covered_to
    from in_window
),

numbered as (
    select
        *,
        sum(case when covered_to is null or from_day > covered_to then 1 else 0 end) over (
            partition by account_id, contact_id
            order by from_day, to_day
            rows between unbounded preceding and current row
        ) as absence_number
    from reached
),

absences as (
    select
        account_id,
        contact_id,
        min(from_day) as from_day,
        max(to_day) as to_day
    from numbered
    group by account_id, contact_id, absence_number
),

changes as (
    select
        account_id,
        from_day as change_day,
        1 as held,
        0 as departed
    from held
    where from_day < to_day
    union all
    select
        account_id,
        to_day as change_day,
        -1 as held,
        0 as departed
    from held
    where from_day < to_day
    union all
    select
        account_id,
        from_day as change_day,
        0 as held,
        1 as departed
    from absences
    union all
    select
        account_id,
        to_day as change_day,
        0 as held,
        -1 as departed
    from absences
),

change_days as (
    select
        changes.account_id,
        changes.change_day,
        sum(changes.held) as held,
        sum(changes.departed) as departed
    from changes
    inner join customers on changes.account_id = customers.account_id  -- exactly one
    cross join champion_left
    where changes.change_day < {{ open_end() }}
    group by changes.account_id, changes.change_day
),

counted as (
    select
        account_id,
        change_day,
        sum(held) over (
            partition by account_id
            order by change_day
            rows between unbounded preceding and current row
        ) as held,
        sum(departed) over (
            partition by account_id
            order by change_day
            rows between unbounded preceding and current row
        ) as departed
    from change_days
),

evidence as (
    select
        counted.account_id,
        counted.change_day,
        {{ evidence_of('contacts', 'absences.contact_id') }} as evidence
    from counted
    inner join absences
        on
            counted.account_id = absences.account_id
            and counted.change_day >= absences.from_day
            and counted.change_day < absences.to_day
    group by counted.account_id, counted.change_day
),

valued as (
    select
        counted.account_id,
        counted.change_day,
        counted.held > 0 as has_data,
        case when counted.held > 0 then cast(counted.departed as double) end as value,
        case when counted.held > 0 then evidence.evidence end as evidence
    from counted
    left join evidence  -- at most one
        on counted.account_id = evidence.account_id and counted.change_day = evidence.change_day
),

followed as (
    select
        *,
        lag(change_day) over (partition by account_id order by change_day) as previous_day,
        lag(value) over (partition by account_id order by change_day) as previous_value,
        lag(evidence) over (partition by account_id order by change_day) as previous_evidence
    from valued
),

-- what says the same as the one before it is no piece of its own
final as (
    select
        account_id,
        'champion_left' as signal,
        change_day as valid_from,
        value,
        0 as value_per_day,
        cast(null as double) as baseline,
        has_data,
        evidence
    from followed
    where
        previous_day is null
        or value is distinct from previous_value
        or evidence is distinct from previous_evidence
)

select * from final
