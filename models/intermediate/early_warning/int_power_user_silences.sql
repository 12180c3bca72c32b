{{ by_account() }}

with

contact_roles as (
    {{ known_rows('contact_roles') }}
),

contacts as (
    select *
    from (
        {{ known_rows('contacts') }}
    ) as known
    {{ where_touched('account_id') }}
),

usage_days as (
    select * from {{ touched_rows(ref('int_usage_days')) }}
),

signals as (
    select * from {{ ref('signals') }}
    where signal = 'power_user_silent'
),

-- the days on which a person was known to be a power user and to be still there
roles_held as (
    select
        contacts.account_id,
        contacts.contact_id,
        contact_roles.valid_from as role_from,
        greatest(contact_roles.known_from, contact_roles.valid_from, contacts.known_from) as from_date,
        least(
            contact_roles.known_to,
            coalesce(contact_roles.valid_to, {{ open_end() }}),
            contacts.known_to,
            coalesce({{ known_from_day('contacts.left_at') }}, {{ open_end() }})
        ) as to_date
    from contact_roles
    inner join contacts on contact_roles.contact_id = contacts.contact_id
    where contact_roles.role = 'power_user'
),

power_users as (
    {{ merged_intervals('roles_held', ['account_id', 'contact_id', 'role_from']) }}
),

roles as (
    select distinct
        account_id,
        contact_id,
        role_from
    from power_users
),

own_uses as (
    select
        roles.account_id,
        roles.contact_id,
        roles.role_from,
        usage_days.used_on,
        usage_days.known_from as from_date,
        usage_days.known_to as to_date
    from usage_days
    inner join roles  -- one per role the person has held by then
        on
            usage_days.account_id = roles.account_id
            and usage_days.contact_id = roles.contact_id
            and usage_days.used_on >= roles.role_from
    where usage_days.quantity > 0
),

{{
    last_known_day_steps(
        'last_uses', 'own_uses', ['account_id', 'contact_id', 'role_from'], 'used_on', is_counted=true
    )
}},

followed as (
    select
        *,
        coalesce(
            lead(valid_from) over (partition by account_id, contact_id, role_from order by valid_from), {{ open_end() }}
        ) as valid_to
    from last_uses
),

-- silent is who was active before
active as (
    select
        power_users.account_id,
        power_users.contact_id,
        power_users.role_from,
        followed.last_day,
        greatest(power_users.from_date, followed.valid_from) as from_date,
        least(power_users.to_date, followed.valid_to) as to_date
    from power_users
    inner join followed
        on
            power_users.account_id = followed.account_id
            and power_users.contact_id = followed.contact_id
            and power_users.role_from = followed.role_from
            and power_users.from_date < followed.valid_to
            and power_users.to_date > followed.valid_from
    cross join signals
    where followed.last_day is not null and followed.known_days >= coalesce(signals.minimum_baseline, 0e0)
),

changes as (
    select
        account_id,
        contact_id,
        role_from,
        from_date as valid_from,
        last_day
    from active
    union all
    select
        account_id,
        contact_id,
        role_from,
        to_date as valid_from,
        cast(null as date) as last_day
    from active
    where to_date < {{ open_end() }}
),

own_days as (
    select
        account_id,
        contact_id,
        role_from,
        valid_from,
        max(last_day) as last_day
    from changes
    group by account_id, contact_id, role_from, valid_from
),

account_days as (
    select distinct
        account_id,
        valid_from
    from own_days
),

-- Every person on every day on which something changes for the account: an account has few power users, so this is
-- cheaper than a join by date.
all_days as (
    select
        account_days.account_id,
        account_days.valid_from,
        persons.contact_id,
        persons.role_from,
        own_days.last_day,
        sum(case when own_days.valid_from is null then 0 else 1 end) over (
            partition by account_days.account_id, persons.contact_id, persons.role_from
            order by account_days.valid_from
            rows between unbounded preceding and current row
        ) as state_number
    from account_days
    inner join roles as persons on account_days.account_id = persons.account_id
    left join own_days  -- at most one
        on
            account_days.account_id = own_days.account_id
            and account_days.valid_from = own_days.valid_from
            and persons.contact_id = own_days.contact_id
            and persons.role_from = own_days.role_from
),

carried as (
    select
        account_id,
        valid_from,
        contact_id,
        max(last_day) over (partition by account_id, contact_id, role_from, state_number) as last_day
    from all_days
),

-- the longest silence; of several as long, the person with the lowest key
longest as (
    select
        account_id,
        valid_from,
        min(case when last_day is not null then concat(cast(last_day as string), contact_id) end) as day_and_contact,
        min(last_day) as last_day
    from carried
    group by account_id, valid_from
),

compared as (
    select
        account_id,
        valid_from,
        day_and_contact,
        last_day,
        lag(day_and_contact) over (partition by account_id order by valid_from) as day_and_contact_before
    from longest
),

final as (
    select
        account_id,
        'power_user_silent' as signal,
        valid_from,
        cast({{ days_between('last_day', 'valid_from') }} - 1 as double) as value,
        case when last_day is null then 0 else 1 end as value_per_day,
        cast(null as double) as baseline,
        last_day is not null as has_data,
        case
            when last_day is not null
                then concat(
                    '{"contacts": [', {{ json_string('substring(day_and_contact, 11)') }}, '], "usage": {"from": "',
                    cast(last_day as string), '", "to": "', cast(last_day as string), '"}}'
                )
        end as evidence
    from compared
    where day_and_contact is distinct from day_and_contact_before
)

select * from final
