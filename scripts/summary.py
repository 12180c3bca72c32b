"""The headline numbers of a build, read from its marts."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from .warehouse import connect, rows

STATE = """
select month_start, customers_end, mrr_end, arr_end, arpa_end
from {marts}.mrr_monthly
where is_complete
order by month_start desc
limit 1
"""

# The last complete period of each grain, as the mart has it: quarters and years compare their own two boundaries.
RATES = """
select
    period_grain, period_start, customers_at_start, customers_churned, churn_rate, ci_low, ci_high,
    gross_revenue_churn_rate, nrr, grr
from {marts}.churn_by_segment
where is_complete and segment_dimension = 'all'
qualify row_number() over (partition by period_grain order by period_start desc) = 1
"""

# Over the longest complete period there is: a year where the history has one.
RISKIEST = """
with last_periods as (
    select period_grain, max(period_start) as period_start
    from {marts}.churn_by_segment
    where is_complete and segment_dimension = 'all' and customers_at_start > 0
    group by period_grain
),

longest as (
    select * from last_periods
    order by case period_grain when 'year' then 1 when 'quarter' then 2 else 3 end
    limit 1
)

select
    churn.segment_dimension, churn.segment_value, churn.period_grain, churn.period_start,
    churn.customers_at_start, churn.customers_churned, churn.churn_rate, churn.ci_low, churn.ci_high
from {marts}.churn_by_segment as churn
inner join longest on churn.period_grain = longest.period_grain and churn.period_start = longest.period_start
where churn.segment_dimension <> 'all' and churn.segment_value <> 'unknown' and not churn.is_small_base
order by churn.churn_rate desc, churn.ci_low desc, churn.segment_dimension, churn.segment_value
limit 1
"""

BUYERS = """
select buyers, repeat_buyers, repeat_rate, ci_low, ci_high
from {marts}.repeat_purchases
where cohort_grain = 'all' and segment_dimension = 'all' and buyers > 0
"""

# Customers whose value could not be estimated are counted: they are not worth nothing.
VALUE = """
select
    count(*) filter (where is_active and residual_clv is not null) as valued,
    count(*) filter (where is_active and residual_clv is null) as not_valued,
    sum(residual_clv) filter (where is_active) as residual_clv,
    sum(residual_clv_low) filter (where is_active) as low,
    sum(residual_clv_high) filter (where is_active) as high
from {marts}.account_clv
"""

# Who is known to leave needs no warning; what he pays is counted apart.
WARNING = """
select
    count(*) filter (where band in ('red', 'amber')) as warned,
    count(*) filter (where band = 'leaving') as leaving,
    sum(revenue_at_risk) filter (where band <> 'leaving') as at_risk,
    sum(mrr) filter (where band = 'leaving') as leaving_mrr,
    (select count(*) from {marts}.alerts where status = 'open') as open_alerts
from {marts}.account_health
"""

ROWS = """
select
    sum(rows_read) as rows_read,
    sum(rows_quarantined) as rows_quarantined,
    sum(rows_rejected_by_reader) as rows_rejected,
    string_agg(
        entity || ' ' || (rows_quarantined + rows_rejected_by_reader), ', '
        order by rows_quarantined + rows_rejected_by_reader desc, entity
    ) filter (where rows_quarantined + rows_rejected_by_reader > 0) as entities
from {marts}.input_accounting
"""

TABLES = "select count(*) as tables from information_schema.tables where table_schema = ?"

GRAINS = ("month", "quarter", "year")


def show(database: Path, console: Console, marts: str = "marts", currency: str = "") -> None:
    """Prints the headline table of the marts in a database."""
    with connect(database) as connection:

        def ask(sql: str, *parameters: Any) -> list[dict[str, Any]]:
            return rows(connection, sql.format(marts=f'"{marts}"'), *parameters)

        state = ask(STATE)
        rates = {row["period_grain"]: row for row in ask(RATES)}
        riskiest = ask(RISKIEST)
        buyers = ask(BUYERS)
        (value,) = ask(VALUE)
        (warning,) = ask(WARNING)
        (read,) = ask(ROWS)
        tables = ask(TABLES, marts)[0]["tables"]

    console.print()
    if state:
        console.print(_state(state[0], currency), "", _rates(rates), sep="\n")
    else:
        console.print("No complete month of subscriptions in these data, so no recurring-revenue figures.")
    where = f"{tables} tables in schema {marts} of {database}"
    rest = _rest(riskiest, buyers, where, read, _value(value, currency), _warning(warning, currency))
    console.print("", rest, sep="\n")


def _state(state: dict[str, Any], currency: str) -> Table:
    table = _table(f"{next_month(state['month_start']):%-d %B %Y}")
    table.add_column("", justify="right")
    table.add_row("Customers", _count(state["customers_end"]))
    table.add_row("MRR", _money(state["mrr_end"], currency))
    table.add_row("ARR", _money(state["arr_end"], currency))
    table.add_row("MRR per customer", _money(state["arpa_end"], currency))
    return table


def _rates(rates: dict[str, dict[str, Any]]) -> Table:
    table = _table("Last complete period")
    periods = [rates[grain] for grain in GRAINS if grain in rates]
    for period in periods:
        table.add_column(period_label(period), justify="right")
    table.add_row("Customers at the start", *(_count(period["customers_at_start"]) for period in periods))
    table.add_row("Customers lost", *(_count(period["customers_churned"]) for period in periods))
    table.add_row("Customer churn", *(_percent(period["churn_rate"]) for period in periods))
    table.add_row("  95 % interval", *(_interval(period) for period in periods), style="dim")
    table.add_row("Gross revenue churn", *(_percent(period["gross_revenue_churn_rate"]) for period in periods))
    table.add_row("Net revenue retention (NRR)", *(_percent(period["nrr"]) for period in periods))
    table.add_row("Gross revenue retention (GRR)", *(_percent(period["grr"]) for period in periods))
    return table


def _value(value: dict[str, Any], currency: str) -> str:
    """What the customers of today are expected to bring, and for how many that is not known."""
    if not value["valued"]:
        return "not estimated: account_clv.model_status says why" if value["not_valued"] else ""
    unknown = f"; {_count(value['not_valued'])} more could not be valued" if value["not_valued"] else ""
    return (
        f"{_money(value['residual_clv'], currency)} expected of {_count(value['valued'])} customers{unknown}\n"
        f"(95 %: {_money(value['low'], currency)} to {_money(value['high'], currency)})"
    )


def _warning(warning: dict[str, Any], currency: str) -> str:
    """Who may leave, and what is at stake; nothing where nobody is under contract."""
    if warning["at_risk"] is None and not warning["leaving"]:
        return ""
    return (
        f"{_count(warning['open_alerts'])} open alerts; {_count(warning['warned'])} customers red or amber\n"
        f"{_money(warning['at_risk'] or 0, currency)} of MRR at risk; "
        f"{_count(warning['leaving'])} customers are leaving with {_money(warning['leaving_mrr'] or 0, currency)}"
    )


def _rest(
    riskiest: list[dict[str, Any]],
    buyers: list[dict[str, Any]],
    where: str,
    read: dict[str, Any],
    value: str,
    warning: str,
) -> Table:
    table = _table("")
    table.show_header = False
    table.add_column("", overflow="fold")
    if riskiest:
        (row,) = riskiest
        table.add_row(
            "Riskiest segment",
            f"{row['segment_dimension']} = {row['segment_value']}\n{_percent(row['churn_rate'])} of "
            f"{_count(row['customers_at_start'])} customers lost in {period_label(row)} (95 %: {_interval(row)})",
        )
    elif not buyers:
        table.add_row("Riskiest segment", "none with a base large enough to tell")
    for row in buyers:
        table.add_row(
            "Customers without contract",
            f"{_count(row['buyers'])} bought, {_percent(row['repeat_rate'])} of them again (95 %: {_interval(row)})",
        )
    if value:
        table.add_row("Residual customer value", value)
    if warning:
        table.add_row("Early warning", warning)
    if read["rows_read"] is None:
        table.add_row("Rows read", "none")
    else:
        held_back = (read["rows_quarantined"] or 0) + (read["rows_rejected"] or 0)
        entities = f"\n{read['entities']}" if read["entities"] else ""
        table.add_row("Rows quarantined", f"{_count(held_back)} of {_count(read['rows_read'])} read{entities}")
    table.add_row("The marts", where)
    return table


def _table(head: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    table.add_column(head, min_width=29, no_wrap=True)
    return table


def period_label(period: dict[str, Any]) -> str:
    """A period as people write it: Jun 2026, Q2 2026, 2025."""
    start: dt.date = period["period_start"]
    match period["period_grain"]:
        case "year":
            return f"{start:%Y}"
        case "quarter":
            return f"Q{(start.month + 2) // 3} {start:%Y}"
        case "month":
            return f"{start:%b %Y}"
        case _:
            return f"{start}"


def next_month(day: dt.date) -> dt.date:
    """The first day of the following month: the boundary at which a month's end values hold."""
    return dt.date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _count(number: Any) -> str:
    return "-" if number is None else f"{int(number):,}"


def _money(amount: Any, currency: str) -> str:
    return "-" if amount is None else f"{amount:,.2f} {currency}".strip()


def _percent(share: Any) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _interval(row: dict[str, Any]) -> str:
    if row["ci_low"] is None or row["ci_high"] is None:
        return "-"
    return f"{100 * row['ci_low']:.1f} to {100 * row['ci_high']:.1f} %"
