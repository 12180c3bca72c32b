-- What the macros of dates give on this engine: months end where months end, dates stay dates (a timestamp would read
-- otherwise), and the local day follows the reporting time zone.
{% set zone = var('reporting_time_zone') %}
with

days (day, months, days, later_month, later_day) as (
    values
    (date '2024-01-31', 1, 1, date '2024-02-29', date '2024-02-01'),
    (date '2025-01-31', 1, -31, date '2025-02-28', date '2024-12-31'),
    (date '2025-03-31', -1, 365, date '2025-02-28', date '2026-03-31'),
    (date '2024-02-29', 12, 0, date '2025-02-28', date '2024-02-29'),
    (date '2024-02-29', -48, 366, date '2020-02-29', date '2025-03-01'),
    (date '2025-12-15', 1, 17, date '2026-01-15', date '2026-01-01')
),

spans (from_day, to_day, days, calendar_months, complete_months, months_to_reach) as (
    values
    (date '2025-01-31', date '2025-02-01', 1, 1, 0, 1),
    (date '2025-01-31', date '2025-02-28', 28, 1, 1, 1),
    (date '2025-01-31', date '2025-03-01', 29, 2, 1, 2),
    (date '2025-01-31', date '2025-03-31', 59, 2, 2, 2),
    (date '2024-02-29', date '2025-02-28', 365, 12, 12, 12),
    (date '2025-05-10', date '2025-05-10', 0, 0, 0, 0),
    (date '2025-05-10', date '2027-05-09', 729, 24, 23, 24)
),

starts (day, week, month, quarter, year) as (
    values
    (date '2024-12-31', date '2024-12-30', date '2024-12-01', date '2024-10-01', date '2024-01-01'),
    (date '2027-01-03', date '2026-12-28', date '2027-01-01', date '2027-01-01', date '2027-01-01'),
    (date '2025-05-05', date '2025-05-05', date '2025-05-01', date '2025-04-01', date '2025-01-01')
),

indexes (grain, from_start, to_start, periods) as (
    values
    ('week', date '2024-12-30', date '2025-01-13', 2),
    ('month', date '2024-11-01', date '2026-02-01', 15),
    ('quarter', date '2024-10-01', date '2025-07-01', 3),
    ('year', date '2019-01-01', date '2026-01-01', 7)
),

-- a moment in UTC and the local wall time then, on both sides of the change of clocks
moments (zone, moment, wall_time) as (
    values
    ('UTC', timestamp '2026-03-29 00:59:59', timestamp '2026-03-29 00:59:59'),
    ('Europe/Berlin', timestamp '2026-03-29 00:59:59', timestamp '2026-03-29 01:59:59'),
    ('Europe/Berlin', timestamp '2026-03-29 01:00:00', timestamp '2026-03-29 03:00:00'),
    ('Europe/Berlin', timestamp '2026-06-30 22:30:00', timestamp '2026-07-01 00:30:00'),
    ('America/New_York', timestamp '2026-01-01 04:59:59', timestamp '2025-12-31 23:59:59'),
    ('Asia/Kolkata', timestamp '2026-01-01 00:00:00', timestamp '2026-01-01 05:30:00')
),

spine as (
    {{ number_spine() }}
),

found as (
    select
        'add_months' as macro_name,
        cast(day as string) as given,
        cast({{ add_months('day', 'months') }} as string) as given_back,
        cast(later_month as string) as expected
    from days
    union all
    select
        'add_days' as macro_name,
        cast(day as string) as given,
        cast({{ add_days('day', 'days') }} as string) as given_back,
        cast(later_day as string) as expected
    from days
    union all
    select
        'days_between' as macro_name,
        cast(from_day as string) as given,
        concat(
            cast({{ days_between('from_day', 'to_day') }} as string), ' ',
            cast({{ days_between('to_day', 'from_day') }} as string)
        ) as given_back,
        concat(cast(days as string), ' ', cast(-days as string)) as expected
    from spans
    union all
    select
        'calendar_months_between' as macro_name,
        cast(from_day as string) as given,
        cast({{ calendar_months_between('from_day', 'to_day') }} as string) as given_back,
        cast(calendar_months as string) as expected
    from spans
    union all
    select
        'complete_months_between' as macro_name,
        cast(from_day as string) as given,
        cast({{ complete_months_between('from_day', 'to_day') }} as string) as given_back,
        cast(complete_months as string) as expected
    from spans
    union all
    select
        'months_to_reach' as macro_name,
        cast(from_day as string) as given,
        cast({{ months_to_reach('from_day', 'to_day') }} as string) as given_back,
        cast(months_to_reach as string) as expected
    from spans
    {%- for grain in ['week', 'month', 'quarter', 'year'] %}
    union all
    select
        'period_start_of {{ grain }}' as macro_name,
        cast(day as string) as given,
        cast({{ period_start_of(grain, 'day') }} as string) as given_back,
        cast({{ grain }} as string) as expected
    from starts
    {%- endfor %}
    union all
    select
        'period_index' as macro_name,
        grain as given,
        cast({{ period_index('grain', 'from_start', 'to_start') }} as string) as given_back,
        cast(periods as string) as expected
    from indexes
    union all
    select
        'utc_to_local' as macro_name,
        cast(moment as string) as given,
        cast({{ utc_to_local('moment') }} as string) as given_back,
        cast(wall_time as string) as expected
    from moments
    where zone = '{{ zone }}'
    union all
    select
        'local_to_utc' as macro_name,
        cast(wall_time as string) as given,
        cast({{ local_to_utc('wall_time') }} as string) as given_back,
        cast(moment as string) as expected
    from moments
    where zone = '{{ zone }}'
    union all
    select
        'local_day' as macro_name,
        cast(moment as string) as given,
        cast({{ local_day('moment') }} as string) as given_back,
        substring(cast(wall_time as string), 1, 10) as expected
    from moments
    where zone = '{{ zone }}'
    union all
    select
        'number_spine' as macro_name,
        'all numbers' as given,
        concat_ws(' ', cast(count(distinct i) as string), cast(min(i) as string), cast(max(i) as string)) as given_back,
        '10000 0 9999' as expected
    from spine
)

select * from found
where given_back is distinct from expected
