-- contact_roles: at companies the first contact champions the product, the second decides or uses it most
with roles as (
    select
        a,
        k,
        won_day(a) + 20 * k + 1 as valid_day
    from range(0, first_account_of(getvariable('to_day') + 1)) as numbers (a), range(0, 2) as people (k)
    where a % 5 < 2
)

select
    contact_id(a, k) as contact_id,
    case when k = 0 then 'champion' when draw('role', a) < 0.5 then 'decision_maker' else 'power_user' end as role,
    day_of(valid_day) as valid_from,
    cast(day_of(valid_day) as timestamp) - interval 1 hour as recorded_at,
    cast(null as varchar) as planted
from roles
where valid_day - 1 >= getvariable('from_day') and valid_day - 1 < getvariable('to_day')
