-- account_history: one account in ten has grown or moved after a year
with changes as (
    select
        a,
        change,
        won_day(a) + 400 * change as valid_day
    from range(0, first_account_of(getvariable('to_day') + 1)) as numbers (a), range(0, 2) as changes (change)
    where draw('grows', a) < 0.1
)

select
    account_id(a) as account_id,
    day_of(valid_day) as valid_from,
    ['software', 'retail', 'finance', 'health', 'media', 'public'][1 + cast(floor(6 * draw('industry', a)) as integer)]
        as industry,
    case when change = 0 then 'small' else size_of(a) end as company_size,
    ['north', 'south', 'east', 'west'][1 + cast(floor(4 * draw('region', a)) as integer)] as region,
    cast(day_of(valid_day - 1) as timestamp) + interval 12 hours as recorded_at,
    cast(null as varchar) as planted
from changes
where valid_day - 1 >= getvariable('from_day') and valid_day - 1 < getvariable('to_day')
