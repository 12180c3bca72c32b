"""A hand-made database with the marts that the command line reads: quick, and every number in it is chosen."""

from __future__ import annotations

from pathlib import Path

import duckdb

MARTS = """
create schema {schema};

create table {schema}.mrr_monthly as
select
    month_start, customers_end, mrr_end,
    cast(mrr_end * 12 as decimal(38, 4)) as arr_end,
    cast(mrr_end / customers_end as decimal(38, 4)) as arpa_end,
    is_complete
from (
    values
        (date '2026-04-01', 310, cast(98000 as decimal(38, 4)), true),
        (date '2026-05-01', 318, cast(101000 as decimal(38, 4)), true),
        (date '2026-06-01', 321, cast(102345.5 as decimal(38, 4)), false)
) as months (month_start, customers_end, mrr_end, is_complete);

create table {schema}.churn_by_segment as
select
    *,
    cast(churned as double) / at_start as churn_rate,
    cast(churned as double) / at_start - 0.01 as ci_low,
    cast(churned as double) / at_start + 0.02 as ci_high,
    at_start < 30 as is_small_base
from (
    values
        -- the running periods, the last complete ones, and earlier ones
        ('month', date '2026-06-01', 'all', 'all', 318, 200, 0.9e0, 0.9e0, 0.1e0, false),
        ('month', date '2026-05-01', 'all', 'all', 310, 9, 0.041e0, 1.021e0, 0.959e0, true),
        ('month', date '2026-04-01', 'all', 'all', 300, 200, 0.9e0, 0.9e0, 0.1e0, true),
        ('quarter', date '2026-01-01', 'all', 'all', 280, 20, 0.082e0, 1.052e0, 0.918e0, true),
        ('year', date '2026-01-01', 'all', 'all', 280, 200, 0.9e0, 0.9e0, 0.1e0, false),
        ('year', date '2025-01-01', 'all', 'all', 200, 40, 0.21e0, 1.10e0, 0.79e0, true),
        -- riskiest: not the small base, not the unknown, not another period's
        ('year', date '2025-01-01', 'industry', 'software', 80, 12, 0.1e0, 1e0, 0.9e0, true),
        ('year', date '2025-01-01', 'industry', 'wholesale', 50, 16, 0.1e0, 1e0, 0.9e0, true),
        ('year', date '2025-01-01', 'industry', 'energy', 10, 9, 0.1e0, 1e0, 0.9e0, true),
        ('year', date '2025-01-01', 'region', 'unknown', 60, 58, 0.1e0, 1e0, 0.9e0, true),
        ('month', date '2026-05-01', 'industry', 'logistics', 60, 50, 0.1e0, 1e0, 0.9e0, true),
        ('year', date '2026-01-01', 'industry', 'logistics', 60, 50, 0.1e0, 1e0, 0.9e0, false)
) as periods (
    period_grain, period_start, segment_dimension, segment_value, customers_at_start, customers_churned,
    gross_revenue_churn_rate, nrr, grr, is_complete
),
lateral (select customers_churned, customers_at_start) as renamed (churned, at_start);

create table {schema}.cohort_retention as
select
    relationship, 'month' as cohort_grain, cohort_start, segment_dimension, segment_value,
    cast(period_index as integer) as period_index, 40 as customers_at_start,
    cast(1000 as decimal(38, 4)) as mrr_at_start,
    0.78e0 + 0.2e0 / (period_index + 1) - 0.012e0 * period_index + 0.003e0 * cohort as logo_retention,
    0.76e0 + 0.2e0 / (period_index + 1) - 0.012e0 * period_index as gross_revenue_retention,
    0.95e0 + 0.012e0 * period_index as net_revenue_retention
from range(0, 24) as cohorts (cohort)
cross join range(0, 24) as periods (period_index)
cross join (values ('contract', 'all', 'all'), ('contract', 'region', 'north'), ('no_contract', 'all', 'all'))
    as kinds (relationship, segment_dimension, segment_value)
cross join lateral (
    select cast(date '2024-06-01' + to_months(cast(cohort as integer)) as date)
) as starts (cohort_start)
where cohort + period_index < 24;

create table {schema}.repeat_purchases as
select
    'all' as cohort_grain, 'all' as segment_dimension, 'all' as segment_value,
    1250 as buyers, 500 as repeat_buyers, 0.4e0 as repeat_rate, 0.373e0 as ci_low, 0.427e0 as ci_high
union all
select 'all', 'region', 'north', 10, 9, 0.9e0, 0.6e0, 0.98e0
union all
select 'year', 'all', 'all', 20, 2, 0.1e0, 0e0, 0.3e0;

create table {schema}.account_clv as
select * from (
    values
        ('a', true, 600000e0, 500000e0, 750000e0), ('b', true, 400000e0, 300000e0, 500000e0),
        ('c', true, null, null, null), ('d', false, 90000e0, 80000e0, 99000e0)
) as accounts (account_id, is_active, residual_clv, residual_clv_low, residual_clv_high);

create table {schema}.account_health as
select * from (
    values
        ('a', 'red', cast(300 as decimal(38, 4)), cast(1000 as decimal(38, 4))), ('b', 'amber', 20, 200),
        ('c', 'green', 3.5, 350), ('d', 'leaving', 700, 700)
) as accounts (account_id, band, revenue_at_risk, mrr);

create table {schema}.alerts as
select * from (values ('1', 'open'), ('2', 'open'), ('3', 'muted'), ('4', 'resolved')) as alerts (alert_id, status);

create table {schema}.input_accounting as
select * from (
    values
        ('accounts', 400, 398, 2, 0, 0, 1),
        ('orders', 5000, 5000, 0, 0, 0, 0),
        ('subscriptions', 1600, 1595, 5, 0, 0, 0)
) as entities (
    entity, rows_read, rows_accepted, rows_quarantined, rows_superseded, rows_not_yet_known, rows_rejected_by_reader
);
"""


def write(database: Path, schema: str = "marts", *, rows: bool = True) -> Path:
    """Makes the database; without rows the marts are there and empty, as after a build on no data."""
    with duckdb.connect(str(database)) as connection:
        connection.execute(MARTS.format(schema=schema))
        if not rows:
            for mart in MARTS.split("create table {schema}.")[1:]:
                connection.execute(f"delete from {schema}.{mart.split()[0]}")
    return database
