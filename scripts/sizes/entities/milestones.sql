-- milestones: four in five complete their onboarding, one in three has a business review later
with reached as (
    select
        a,
        k,
        won_day(a) + case when k = 0 then 10 + floor(50 * draw('onboarded', a)) else 200 + floor(200 * draw('review', a)) end
            as occurred_day
    from range(0, first_account_of(getvariable('to_day') + 1)) as numbers (a), range(0, 2) as kinds (k)
    where a % 5 < 3 and draw('milestone', a, k) < case when k = 0 then 0.8 else 0.33 end
)

select
    'L' || lpad(cast(a as varchar), 8, '0') || '-' || k as milestone_id,
    account_id(a) as account_id,
    case when k = 0 then 'onboarding_completed' else 'business_review' end as milestone,
    cast(day_of(occurred_day) as timestamp) + interval 10 hours as occurred_at,
    cast(day_of(occurred_day) as timestamp) + interval 11 hours as recorded_at,
    cast(null as varchar) as planted
from reached
where occurred_day >= getvariable('from_day') and occurred_day < getvariable('to_day')
