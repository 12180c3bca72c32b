-- What the macros of dates give on this engine: months end where months end, dates stay dates (a timestamp would read
-- otherwise), and the local day follows the reporting time zone.
{% set in_zone = "zone = '" ~ var('reporting_time_zone') ~ "'" %}
with

days as (
    select given.* from (
        values
        (date '2024-01-31', 1, 1, date '2024-02-29', date '2024-02-01'),
        (date '2025-01-31', 1, -31, date '2025-02-28', date '2024-12-31'),
        (date '2025-03-31', -1, 365, date '2025-02-28', date '2026-03-31'),
        (date '2024-02-29', 12, 0, date '2025-02-28', date '2024-02-29'),
        (date '2024-02-29', -48, 366, date '2020-02-29', date '2025-03-01'),
        (date '2025-12-15', 1, 17, date '2026-01-15', date '2026-01-01')
    ) as given (day, months, days, later_month, later_day)
),

spans as (
    select given.* from (
        values
        (date '2025-01-31', date '2025-02-01', 1, 1, 0, 1),
        (date '2025-01-31', date '2025-02-28', 28, 1, 1, 1),
        (date '2025-01-31', date '2025-03-01', 29, 2, 1, 2),
        (date '2025-01-31', date '2025-03-31', 59, 2, 2, 2),
        (date '2024-02-29', date '2025-02-28', 365, 12, 12, 12),
        (date '2025-05-10', date '2025-05-10', 0, 0, 0, 0),
        (date '2025-05-10', date '2027-05-09', 729, 24, 23, 24)
    ) as given (from_day, to_day, days, calendar_months, complete_months, months_to_reach)
),

starts as (
    select given.* from (
        values
        (date '2024-12-31', date '2024-12-30', date '2024-12-01', date '2024-10-01', date '2024-01-01'),
        (date '2027-01-03', date '2026-12-28', date '2027-01-01', date '2027-01-01', date '2027-01-01'),
        (date '2025-05-05', date '2025-05-05', date '2025-05-01', date '2025-04-01', date '2025-01-01')
    ) as given (day, week, month, quarter, year)
),

indexes as (
    select given.* from (
        values
        ('week', date '2024-12-30', date '2025-01-13', 2),
        ('month', date '2024-11-01', date '2026-02-01', 15),
        ('quarter', date '2024-10-01', date '2025-07-01', 3),
        ('year', date '2019-01-01', date '2026-01-01', 7)
    ) as given (grain, from_start, to_start, periods)
),

-- a moment in UTC and the local wall time then, on both sides of the change of clocks
moments as (
    select given.* from (
        values
        ('UTC', timestamp '2026-03-29 00:59:59', timestamp '2026-03-29 00:59:59'),
        ('Europe/Berlin', timestamp '2026-03-29 00:59:59', timestamp '2026-03-29 01:59:59'),
        ('Europe/Berlin', timestamp '2026-03-29 01:00:00', timestamp '2026-03-29 03:00:00'),
        ('Europe/Berlin', timestamp '2026-06-30 22:30:00', timestamp '2026-07-01 00:30:00'),
        ('America/New_York', timestamp '2026-01-01 04:59:59', timestamp '2025-12-31 23:59:59'),
        ('Asia/Kolkata', timestamp '2026-01-01 00:00:00', timestamp '2026-01-01 05:30:00')
    ) as given (zone, moment, wall_time)
),

spine as (
    {{ number_spine() }}
)

{{ facts_that_fail([
    {'of': 'add_months', 'given': 'day', 'gives': add_months('day', 'months'), 'expected': 'later_month', 'rows': 'days'},
    {'of': 'add_days', 'given': 'day', 'gives': add_days('day', 'days'), 'expected': 'later_day', 'rows': 'days'},
    {
        'of': 'days_between', 'given': 'to_day', 'gives': days_between('from_day', 'to_day'),
        'expected': 'days', 'rows': 'spans'
    },
    {
        'of': 'days_between, back', 'given': 'to_day', 'gives': days_between('to_day', 'from_day'),
        'expected': '-days', 'rows': 'spans'
    },
    {
        'of': 'calendar_months_between', 'given': 'to_day', 'gives': calendar_months_between('from_day', 'to_day'),
        'expected': 'calendar_months', 'rows': 'spans'
    },
    {
        'of': 'complete_months_between', 'given': 'to_day', 'gives': complete_months_between('from_day', 'to_day'),
        'expected': 'complete_months', 'rows': 'spans'
    },
    {
        'of': 'months_to_reach', 'given': 'to_day', 'gives': months_to_reach('from_day', 'to_day'),
        'expected': 'months_to_reach', 'rows': 'spans'
    },
    {'of': 'week', 'given': 'day', 'gives': period_start_of('week', 'day'), 'expected': 'week', 'rows': 'starts'},
    {'of': 'month', 'given': 'day', 'gives': period_start_of('month', 'day'), 'expected': 'month', 'rows': 'starts'},
    {'of': 'quarter', 'given': 'day', 'gives': period_start_of('quarter', 'day'), 'expected': 'quarter', 'rows': 'starts'},
    {'of': 'year', 'given': 'day', 'gives': period_start_of('year', 'day'), 'expected': 'year', 'rows': 'starts'},
    {
        'of': 'period_index', 'given': 'grain', 'gives': period_index('grain', 'from_start', 'to_start'),
        'expected': 'periods', 'rows': 'indexes'
    },
    {
        'of': 'utc_to_local', 'given': 'moment', 'gives': utc_to_local('moment'),
        'expected': 'wall_time', 'rows': 'moments', 'where': in_zone
    },
    {
        'of': 'local_to_utc', 'given': 'wall_time', 'gives': local_to_utc('wall_time'),
        'expected': 'moment', 'rows': 'moments', 'where': in_zone
    },
    {
        'of': 'local_day', 'given': 'moment', 'gives': local_day('moment'),
        'expected': 'substring(cast(wall_time as string), 1, 10)', 'rows': 'moments', 'where': in_zone
    },
    {
        'of': 'number_spine', 'given': "'count, least, most'",
        'gives': "concat_ws(' ', cast(count(distinct i) as string), cast(min(i) as string), cast(max(i) as string))",
        'expected': "'10000 0 9999'", 'rows': 'spine'
    },
]) }}
