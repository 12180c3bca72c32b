"""The new alerts of a publish, read from its marts."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb

from ..published import has_manifest, marts
from ..warehouse import NoMarts, connect, rows

# A signal's words stand in account_signals; a publish of few marts may lack it, then the key must do.
OPEN = """
select
    alerts.alert_id, alerts.account_id, alerts.signal, {label} as label, alerts.as_of_date, alerts.severity,
    alerts.owner, alerts.priority, alerts.revenue_at_risk, alerts.why, alerts.recommended_action, alerts.is_in_focus,
    alerts.is_overdue, alerts.opened_on, alerts.due_on
from {alerts} as alerts
{labels}
where alerts.status = 'open'
order by alerts.is_in_focus desc, alerts.priority, alerts.alert_id
"""
LABELS = """
left join (select signal, min(label) as label from {signals} group by signal) as signals
    on alerts.signal = signals.signal
"""
MANIFEST = "select as_of_date, reporting_currency from operations.publish_manifest"


@dataclass(frozen=True)
class Alert:
    """An open alert. Keys only: whose account it is stands in the restricted account directory."""

    alert_id: str
    account_id: str
    signal: str
    label: str
    as_of_date: dt.date
    severity: str
    owner: str
    priority: int | None
    revenue_at_risk: Decimal | None
    why: str
    recommended_action: str
    is_in_focus: bool
    is_overdue: bool
    opened_on: dt.date
    due_on: dt.date


@dataclass(frozen=True)
class StillOpen:
    """Open alerts that are not new, and how many of them are overdue."""

    number: int
    overdue: int


@dataclass(frozen=True)
class Published:
    """The open alerts of a publish, in focus first, then by priority; the day and the currency they are in."""

    as_of_date: dt.date | None
    currency: str
    alerts: tuple[Alert, ...]


def read_alerts(published: Path) -> Published | None:
    """What a published database says of alerts; None where it has no mart alerts (few marts were chosen).

    Raises NoMarts where the file is missing or cannot be read.
    """
    try:
        with connect(published) as connection:
            place = marts(connection)
            if "alerts" not in place:
                return None
            alerts, signals = place["alerts"], place.get("account_signals")
            label = "coalesce(signals.label, alerts.signal)" if signals else "alerts.signal"
            labels = LABELS.format(signals=signals) if signals else ""
            found = rows(connection, OPEN.format(alerts=alerts, label=label, labels=labels))
            ((as_of,),) = connection.execute(f"select max(as_of_date) from {alerts}").fetchall()
            currency = ""
            if has_manifest(connection):
                ((as_of, currency),) = connection.execute(MANIFEST).fetchall()
    except duckdb.Error as error:
        raise NoMarts(f"The alerts of {published} cannot be read: {str(error).splitlines()[0]}") from error
    return Published(as_of, currency, tuple(Alert(**{**one, "label": _words(one["label"])}) for one in found))


def _words(label: str) -> str:
    return label.replace("_", " ").capitalize() if label.islower() else label


def split(now: Published, before: Published | None) -> tuple[list[Alert], StillOpen]:
    """The new alerts of a publish, and how many others are open.

    New is what is open now and was not in the publish before: also what was muted then and is no longer. Without a
    publish before (or one without alerts) it is what opened on the as-of date. Beside a publish of a later as-of date
    nothing is new: it was told already.
    """
    if before is None:
        new = [one for one in now.alerts if one.opened_on == one.as_of_date]
    elif now.as_of_date and before.as_of_date and before.as_of_date > now.as_of_date:
        new = []
    else:
        told = {one.alert_id for one in before.alerts}
        new = [one for one in now.alerts if one.alert_id not in told]
    ids = {one.alert_id for one in new}
    others = [one for one in now.alerts if one.alert_id not in ids]
    return new, StillOpen(len(others), sum(one.is_overdue for one in others))


def new_alerts(published: Path, previous: Path | None) -> list[Alert]:
    """The alerts of the morning list (see split), in focus first, then by priority.

    Raises NoMarts where a file is missing or cannot be read.
    """
    now = read_alerts(published)
    return split(now, read_alerts(previous) if previous else None)[0] if now else []
