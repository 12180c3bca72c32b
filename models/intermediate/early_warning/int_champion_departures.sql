with

contacts as (
    {{ known_rows('contacts') }}
),

contact_roles as (
    {{ known_rows('contact_roles') }}
),

persons as (
    select
        account_id,
        contact_id,
        known_from,
        known_to,
        {{ local_day('left_at') }} as left_on
    from contacts
),

roles as (
    select
        contact_id,
        role,
        valid_from,
        valid_to,
        known_from,
        known_to
    from contact_roles
    where role in ('champion', 'decision_maker') and (valid_to is null or valid_to > valid_from)
),

-- a role that ends on the day its holder leaves ends because he leaves
leavers as (
    select
        persons.account_id,
        persons.contact_id,
        roles.role,
        'left' as departure,
        persons.left_on,
        greatest(persons.known_from, roles.known_from, {{ add_days('persons.left_on', 1) }}) as seen_from,
        least(persons.known_to, roles.known_to) as known_to
    from persons
    inner join roles
        on
            persons.contact_id = roles.contact_id
            and persons.left_on >= roles.valid_from
            and (roles.valid_to is null or persons.left_on <= roles.valid_to)
),

ended_roles as (
    select
        persons.account_id,
        persons.contact_id,
        roles.role,
        roles.valid_to as left_on,
        greatest(persons.known_from, roles.known_from, {{ add_days('roles.valid_to', 1) }}) as seen_from,
        least(persons.known_to, roles.known_to) as known_to
    from persons
    inner join roles on persons.contact_id = roles.contact_id
    where roles.valid_to is not null and (persons.left_on is null or persons.left_on > roles.valid_to)
),

-- another of the two roles that the same person goes on to hold, for as long as that is believed
kept_roles as (
    select
        ended_roles.*,
        roles.known_from as kept_from,
        roles.known_to as kept_to
    from ended_roles
    inner join roles
        on
            ended_roles.contact_id = roles.contact_id
            and roles.valid_from <= ended_roles.left_on
            and (roles.valid_to is null or roles.valid_to > ended_roles.left_on)
            and roles.known_from < ended_roles.known_to
            and roles.known_to > ended_roles.seen_from
),

cuts as (
    select
        account_id,
        contact_id,
        role,
        left_on,
        seen_from,
        known_to,
        seen_from as cut_on
    from ended_roles
    where seen_from < known_to
    union
    select
        account_id,
        contact_id,
        role,
        left_on,
        seen_from,
        known_to,
        kept_from as cut_on
    from kept_roles
    where kept_from > seen_from
    union
    select
        account_id,
        contact_id,
        role,
        left_on,
        seen_from,
        known_to,
        kept_to as cut_on
    from kept_roles
    where kept_to < known_to
),

parts as (
    select
        account_id,
        contact_id,
        role,
        left_on,
        cut_on,
        coalesce(
            lead(cut_on) over (
                partition by account_id, contact_id, role, left_on, seen_from, known_to
                order by cut_on
            ),
            known_to
        ) as next_cut_on
    from cuts
),

departures as (
    select
        account_id,
        contact_id,
        role,
        departure,
        left_on,
        seen_from,
        known_to
    from leavers
    where seen_from < known_to
    union all
    select
        parts.account_id,
        parts.contact_id,
        parts.role,
        'role_ended' as departure,
        parts.left_on,
        parts.cut_on as seen_from,
        parts.next_cut_on as known_to
    from parts
    left join kept_roles
        on
            parts.account_id = kept_roles.account_id
            and parts.contact_id = kept_roles.contact_id
            and parts.role = kept_roles.role
            and parts.left_on = kept_roles.left_on
            and parts.cut_on >= kept_roles.kept_from
            and parts.cut_on < kept_roles.kept_to
    where kept_roles.contact_id is null
),

-- the same departure, told by several roles or versions of rows, is one
reached as (
    select
        *,
        max(known_to) over (
            partition by account_id, contact_id, departure, left_on
            order by seen_from, known_to, role
            rows between unbounded preceding and 1 preceding
        ) as covered_to
    from departures
),

numbered as (
    select
        *,
        sum(case when covered_to is null or seen_from > covered_to then 1 else 0 end) over (
            partition by account_id, contact_id, departure, left_on
            order by seen_from, known_to, role
            rows between unbounded preceding and current row
        ) as departure_number
    from reached
),

final as (
    select
        account_id,
        contact_id,
        min(role) as role,
        departure,
        left_on,
        min(seen_from) as seen_from,
        max(known_to) as known_to
    from numbered
    where seen_from <= {{ as_of_date() }}
    group by account_id, contact_id, departure, left_on, departure_number
)

select * from final
