"""Contract rows as they were known on an earlier day, and the same with everything that came later made up anew."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml
from project import ROOT

Row = dict[str, str]

# What is said at a later moment of the row than its own, and has no time column of its own: it is known with that one.
SAID_WITH = {
    "survey_responses": {"score": "responded_at", "topic": "responded_at"},
    "offers": {"is_accepted": "decided_at"},
    "invoices": {"status": "paid_on"},
}


@cache
def contract() -> dict[str, Any]:
    """The input contract."""
    text = (ROOT / "macros" / "contract" / "crm_contract.sql").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text.split("{% set contract_yaml %}")[1].split("{% endset %}")[0])
    return found


def known_at(entity: str, row: Mapping[str, str]) -> dt.datetime | None:
    """The moment a row became known; None where no such moment can be read."""
    spec = contract()[entity]
    try:
        if row.get("recorded_at"):
            return dt.datetime.fromisoformat(row["recorded_at"])
        if not spec.get("event_time"):
            return dt.datetime(1900, 1, 1)
        moment = dt.datetime.fromisoformat(row[spec["event_time"]])
    except ValueError:
        return None
    return moment - dt.timedelta(seconds=1) if spec["knowledge"] == "before" else moment


def is_later(entity: str, column: str, value: str, day: dt.date) -> bool:
    """Whether a time column that is a fact of its own lies after the state of 00:00 of a day."""
    spec = contract()[entity]["columns"].get(column, {})
    if not value or not spec.get("known_later"):
        return False
    moment = dt.datetime.fromisoformat(value)
    return moment.date() > day if spec["type"] == "date" else moment >= dt.datetime.combine(day, dt.time())


def cut(entity: str, rows: Iterable[Row], day: dt.date) -> list[Row]:
    """The rows as an export at 00:00 of the day would have had them."""
    kept = []
    for row in rows:
        moment = known_at(entity, row)
        if moment is not None and moment < dt.datetime.combine(day, dt.time()):
            kept.append({name: "" if _unsaid(entity, row, name, day) else value for name, value in row.items()})
    return kept


def _unsaid(entity: str, row: Row, column: str, day: dt.date) -> bool:
    said_with = SAID_WITH.get(entity, {}).get(column)
    if said_with:
        return is_later(entity, said_with, row[said_with], day)
    return is_later(entity, column, row[column], day)


def shake(entity: str, rows: Iterable[Row], day: dt.date, dice: Random) -> list[Row]:
    """The same up to 00:00 of the day; of what came later a third is gone and every figure, flag and time another."""
    spec = contract()[entity]
    shaken = []
    for row in rows:
        moment = known_at(entity, row)
        if moment is not None and moment < dt.datetime.combine(day, dt.time()):
            shaken.append({name: _later_fact(entity, row, name, day, dice) for name in row})
        elif dice.random() > 0.33:
            shaken.append({name: _made_up(spec, name, value, dice) for name, value in row.items()})
    return shaken


def _later_fact(entity: str, row: Row, column: str, day: dt.date, dice: Random) -> str:
    value = row[column]
    said_with = SAID_WITH.get(entity, {}).get(column)
    if said_with and _unsaid(entity, row, column, day):
        return str(dice.randrange(0, 11)) if column == "score" else ""
    if not is_later(entity, column, value, day):
        return value
    if dice.random() < 0.3:
        return ""
    moment = dt.datetime.combine(day, dt.time(12)) + dt.timedelta(days=dice.randrange(1, 200))
    return str(moment.date()) if contract()[entity]["columns"][column]["type"] == "date" else str(moment)


def _made_up(spec: Mapping[str, Any], column: str, value: str, dice: Random) -> str:
    kind = spec["columns"].get(column, {}).get("type")
    if not value or column in spec["key"] or column in (spec.get("event_time"), "recorded_at"):
        return value
    if kind == "boolean":
        return "true" if dice.random() < 0.5 else "false"
    if kind in ("decimal", "integer", "rate") and not spec["columns"][column].get("references"):
        if column in ("billing_interval_months", "contract_term_months", "rate"):
            return value
        return (
            str(Decimal(value) + dice.randrange(0, 9)) if kind != "integer" else str(int(value) + dice.randrange(0, 9))
        )
    return value


def write_folder(
    source: Path, target: Path, change: Callable[[str, list[Row]], list[Row]], prefix: str = "demo_"
) -> Path:
    """Every CSV of a folder, changed, as contract files in another."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob(f"{prefix}*.csv")):
        entity = path.stem.removeprefix(prefix)
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = change(entity, list(reader))
            columns = list(reader.fieldnames or [])
        with (target / f"{entity}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
    return target
