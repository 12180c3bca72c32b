-- contacts: three at each account, one in six leaves after some months; the first account has those its usage needs
with people as (
    select
        a,
        k,
        won_day(a) + 20 * least(k, 10) as created_day,
        flaw_of(3 * a + k, ['unknown_account', 'duplicate', 'missing_value']) as flaw
    from
        range(0, first_account_of(getvariable('to_day') + 1)) as numbers (a),
        range(0, case when a = 0 then greatest(getvariable('skewed_contacts'), 3) else 3 end) as people (k)
)

select
    contact_id(a, k) as contact_id,
    case flaw
        when 'unknown_account' then 'X' || a
        when 'missing_value' then null
        else account_id(a)
    end as account_id,
    'Person ' || a || ' ' || k as full_name,
    'p' || a || '.' || k || '@example.com' as email,
    case when draw('language', a) < 0.6 then 'de' else 'en' end as language,
    cast(day_of(created_day) as timestamp) + interval 9 hours as created_at,
    so_far(case
        when draw('leaves', a, k) < 0.17
            then cast(day_of(created_day + 90 + cast(floor(700 * draw('leaves after', a, k)) as integer)) as timestamp)
    end, getvariable('to_day')) as left_at,
    cast(day_of(created_day) as timestamp) + interval 10 hours as recorded_at,
    flaw as planted
from (
    select
        *,
        unnest(range(case when flaw = 'duplicate' then 2 else 1 end)) as copy
    from people
)
where created_day >= getvariable('from_day') and created_day < getvariable('to_day')
