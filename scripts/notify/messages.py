"""What is said, as data: title, paragraphs and tables. How it looks is for render.py."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .alerts import Alert, StillOpen

ENDINGS = {
    1: "The audit refused the marts; the last good ones stay published.",
    2: "The input or the configuration is wrong; nothing was built.",
    3: "Another refresh was running.",
    4: "Building or publishing failed; the last good marts stay published.",
}


@dataclass(frozen=True)
class Item:
    """One entry of a list: what it is about, in a few words; the sentences below it; figures beside it."""

    title: str
    lines: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Section:
    """Entries under a heading."""

    heading: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Message:
    """One message. `kind` is refresh_failed, audit_refused, morning_list or trial."""

    kind: str
    title: str
    lines: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    closing: tuple[str, ...] = ()
    link: str | None = None


def refresh_failed(run: Mapping[str, Any], link: str | None = None) -> Message:
    """A refresh that ended with an error. `run` is a row of refresh_runs; columns it lacks are left out."""
    code = run.get("exit_code")
    lines = [ENDINGS.get(code or 0, "The last good marts stay published."), _text(run.get("reason"))]
    return Message(
        kind="refresh_failed",
        title=f"{_action(run)} failed{_for_day(run)}",
        lines=tuple(line for line in lines if line),
        closing=_about(run),
        link=link,
    )


def audit_refused(run: Mapping[str, Any], findings: Sequence[Mapping[str, Any]], link: str | None = None) -> Message:
    """A refresh whose marts were not published. `findings` are rows of test_results; those that passed are left out.

    Errors come before warnings; within each, by mart, column and test.
    """
    shown = sorted(
        (one for one in findings if one.get("status") in ("fail", "error", "warn")),
        key=lambda one: (
            one["status"] == "warn",
            *(str(one.get(name) or "") for name in ("mart", "column_name", "test")),
        ),
    )
    sections = []
    for heading, warned in (("Refused", False), ("Warned", True)):
        items = tuple(_finding(one) for one in shown if (one["status"] == "warn") is warned)
        if items:
            sections.append(Section(f"{heading} ({len(items)})", items))
    return Message(
        kind="audit_refused",
        title=f"Audit refused the marts{_for_day(run)}",
        lines=tuple(line for line in (ENDINGS[1], _text(run.get("reason"))) if line),
        sections=tuple(sections),
        closing=_about(run),
        link=link,
    )


def morning_list(
    alerts: Sequence[Alert],
    as_of: dt.date,
    link: str | None = None,
    *,
    currency: str = "",
    still_open: StillOpen | None = None,
) -> Message:
    """The new alerts per account manager, most urgent first: keys of accounts, never names.

    Within a manager and between managers: in focus first, then priority. Amounts are a month's revenue in the reporting
    currency, with two decimals.
    """
    ordered = sorted(alerts, key=_urgency)
    per_owner: dict[str, list[Alert]] = {}
    for one in ordered:
        per_owner.setdefault(one.owner, []).append(one)
    sections = tuple(
        Section(f"{_manager(owner)} ({len(theirs)})", tuple(_alert(one, currency) for one in theirs))
        for owner, theirs in per_owner.items()
    )
    # what is at risk is the account's, however many of its signals fire
    per_account = {one.account_id: one.revenue_at_risk or Decimal(0) for one in ordered}
    number = _count(len(ordered), "new churn alert") if ordered else "No new churn alerts"
    lines = []
    if ordered:
        focus = sum(one.is_in_focus for one in ordered)
        at_risk = _money(sum(per_account.values(), Decimal(0)), currency)
        lines.append(f"{_count(len(per_account), 'account')}, {at_risk} a month at risk, {focus} in focus.")
    if still_open is not None:
        lines.append(f"Still open from before: {still_open.number}, of which {still_open.overdue} overdue.")
    return Message("morning_list", f"{number}, {_day(as_of)}", tuple(lines), sections, (), link)


def trial() -> Message:
    """A message that only says that messages arrive."""
    return Message("trial", "Bestand can reach you", ("This is a trial: alerts and the morning list will come here.",))


def _urgency(one: Alert) -> tuple[bool, bool, int, str]:
    return (not one.is_in_focus, one.priority is None, one.priority or 0, one.alert_id)


def _alert(one: Alert, currency: str) -> Item:
    facts = [("Priority", "-" if one.priority is None else str(one.priority)), ("Severity", one.severity)]
    facts.append(("At risk", "not known" if one.revenue_at_risk is None else _money(one.revenue_at_risk, currency)))
    facts.append(("Due", _day(one.due_on) + (", overdue" if one.is_overdue else "")))
    focus = " (in focus)" if one.is_in_focus else ""
    return Item(f"{one.account_id}: {one.label}{focus}", (one.why, f"Do: {one.recommended_action}."), tuple(facts))


def _manager(owner: str) -> str:
    return "No account manager" if owner == "unassigned" else owner


def _place(one: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(one.get(name) or "") for name in ("mart", "column_name", "test"))


def _finding(one: Mapping[str, Any]) -> Item:
    where = ".".join(str(one[name]) for name in ("mart", "column_name") if one.get(name))
    test = _text(one.get("test")) or "a test"
    facts = [("Tool", _text(one.get("tool")).replace("_", " "))]
    if one.get("failures") is not None:
        facts.append(("Failures", f"{one['failures']:,}"))
    message = _text(one.get("message"))
    return Item(f"{where}: {test}" if where else test, (message,) if message else (), tuple(facts))


def _about(run: Mapping[str, Any]) -> tuple[str, ...]:
    said = [f"Build {run['build_id']}"] if run.get("build_id") else []
    if run.get("exit_code") is not None:
        said.append(f"exit code {run['exit_code']}")
    if run.get("seconds") is not None:
        said.append(f"{float(run['seconds']):.0f} s")
    return (", ".join(said) + ".",) if said else ()


def _action(run: Mapping[str, Any]) -> str:
    return _text(run.get("action") or "refresh").capitalize()


def _for_day(run: Mapping[str, Any]) -> str:
    return f", as of {_day(run['as_of_date'])}" if run.get("as_of_date") else ""


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _money(amount: Decimal, currency: str) -> str:
    return f"{amount:,.2f} {currency}".strip()


def _day(day: dt.date | str) -> str:
    found = dt.date.fromisoformat(day) if isinstance(day, str) else day
    return f"{found.day} {found:%B %Y}"


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
