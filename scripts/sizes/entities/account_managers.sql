-- account_managers: companies have one each, one in five gets another after ten months
with changes as (
    select
        a,
        change,
        won_day(a) + 300 * change as valid_day
    from range(0, first_account_of(getvariable('to_day') + 1)) as numbers (a), range(0, 2) as changes (change)
    where a % 5 < 2 and (change = 0 or draw('other manager', a) < 0.2)
)

select
    account_id(a) as account_id,
    day_of(valid_day) as valid_from,
    'AM' || lpad(cast(1 + cast(floor(40 * draw('manager', a, change)) as integer) as varchar), 3, '0')
        as account_manager_id,
    cast(day_of(valid_day - 1) as timestamp) + interval 12 hours as recorded_at,
    cast(null as varchar) as planted
from changes
where valid_day - 1 >= getvariable('from_day') and valid_day - 1 < getvariable('to_day')
