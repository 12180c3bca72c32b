-- cancellations: seven in ten of those who leave say so a month before
with leavers as (
    select
        a,
        end_of_life(a) as effective_on,
        cast(end_of_life(a) - 30 as date) as requested_on
    from range(0, first_account_of(getvariable('to_day') + 1)) as numbers (a)
    where a % 5 < 3 and months_of_life(a % 40) is not null and draw('cancels', a) < 0.7
)

select
    'X' || lpad(cast(a as varchar), 8, '0') as cancellation_id,
    account_id(a) as account_id,
    cast(null as varchar) as subscription_id,
    requested_on,
    effective_on,
    ['price', 'poor_service', 'competitor', 'missing_feature', 'other'][1 + cast(floor(5 * draw('reason', a)) as integer)]
        as reason_code,
    cast(requested_on as timestamp) + interval 12 hours as recorded_at,
    cast(null as varchar) as planted
from leavers
where number_of(requested_on) >= getvariable('from_day') and number_of(requested_on) < getvariable('to_day')
