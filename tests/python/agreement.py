"""Compares the rows a mart holds with those it must hold, and says of each difference what was expected and got."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]

KEYS = {
    "account_months": ("account_id", "month_start"),
    "mrr_movements": ("account_id", "month_start", "movement", "currency"),
    "mrr_monthly": ("month_start",),
    "cohort_retention": (
        "relationship",
        "cohort_grain",
        "cohort_start",
        "segment_dimension",
        "segment_value",
        "period_index",
    ),
    "churn_by_segment": ("period_grain", "period_start", "segment_dimension", "segment_value"),
    "survival_curve": ("segment_dimension", "segment_value", "tenure_month"),
}


def differences(mart: str, expected: Iterable[Row], got: Iterable[Row]) -> list[str]:
    """Every row that is missing, too many or different in a column of its expected row."""
    key = KEYS[mart]
    wanted, held = _by_key(expected, key), _by_key(got, key)
    found = []
    for identity in sorted(wanted.keys() | held.keys(), key=str):
        name = f"{mart} {' '.join(str(part) for part in identity)}"
        want, have = wanted.get(identity, []), held.get(identity, [])
        if len(want) > 1 or len(have) > 1:
            found.append(f"{name}: {len(want)} rows expected, {len(have)} got for one key")
        elif not have:
            found.append(f"{name}: missing, expected {_shown(want[0])}")
        elif not want:
            found.append(f"{name}: not expected, got {_shown(have[0])}")
        else:
            for column, value in want[0].items():
                if column not in have[0]:
                    found.append(f"{name}: column {column} missing")
                elif not same(value, have[0][column]):
                    found.append(f"{name}: {column} expected {value}, got {have[0][column]}")
    return found


def same(expected: Any, got: Any) -> bool:
    """Money, counts, dates and texts exactly; doubles to 1e-12."""
    if expected is None or got is None:
        return expected is None and got is None
    if isinstance(expected, bool):
        return expected == bool(got)
    if isinstance(expected, float):
        return math.isclose(expected, float(got), rel_tol=1e-12, abs_tol=1e-12)
    if isinstance(got, float) and isinstance(expected, int | Decimal):
        return False
    if isinstance(expected, dt.date) and isinstance(got, dt.datetime):
        return False
    return bool(expected == got)


def _by_key(rows: Iterable[Row], key: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[column] for column in key), []).append(row)
    return found


def _shown(row: Row) -> str:
    return ", ".join(f"{column}={value}" for column, value in row.items())
