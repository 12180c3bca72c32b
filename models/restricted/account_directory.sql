with

accounts as (
    select * from {{ ref('accounts') }}
),

managers as (
    select
        account_id,
        account_manager_id,
        row_number() over (partition by account_id order by valid_from desc) as newest_first
    from {{ ref('account_managers') }}
    where valid_from <= {{ as_of_date() }} and (valid_to is null or valid_to > {{ as_of_date() }})
),

contacts as (
    select * from {{ ref('contacts') }}
),

roles as (
    select
        contact_id,
        role,
        valid_from
    from {{ ref('contact_roles') }}
    where
        role in ('champion', 'decision_maker')
        and valid_from <= {{ as_of_date() }}
        and (valid_to is null or valid_to > {{ as_of_date() }})
),

spoken_to as (
    select
        contacts.account_id,
        contacts.contact_id,
        roles.role as contact_role,
        contacts.full_name,
        contacts.email,
        contacts.language,
        row_number() over (
            partition by contacts.account_id
            -- a champion before a decision maker
            order by roles.role asc, roles.valid_from desc, contacts.contact_id asc
        ) as first_choice
    from contacts
    inner join roles on contacts.contact_id = roles.contact_id  -- one row per role
    where contacts.left_at is null
),

final as (
    select
        accounts.account_id,
        accounts.account_name,
        managers.account_manager_id,
        spoken_to.contact_id,
        spoken_to.contact_role,
        spoken_to.full_name,
        spoken_to.email,
        spoken_to.language
    from accounts
    left join managers on accounts.account_id = managers.account_id and managers.newest_first = 1
    left join spoken_to on accounts.account_id = spoken_to.account_id and spoken_to.first_choice = 1
)

select * from final
