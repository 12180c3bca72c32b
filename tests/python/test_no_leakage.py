"""What early warning says of a past date was known on it: the demo's inputs cut at that date, or everything later made
up anew, give the same signals and scores as the history holds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from knowledge import cut, shake, write_folder
from project import ROOT, Warehouse, build_files

DEMO = ROOT / "seeds" / "demo"
PAST = dt.date(2026, 2, 1)
SELECTED = "+account_signals +signal_history +account_health +health_history +alerts +mrr_monthly"
VARIABLES = {"quarantine_max_share": 1}


@pytest.fixture(scope="module")
def then(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The demo as it stood on the past date."""
    work = tmp_path_factory.mktemp("then")
    files = write_folder(DEMO, work / "files", lambda entity, rows: cut(entity, rows, PAST))
    return _build(work, files, PAST)


@pytest.fixture(scope="module")
def shaken(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The demo of today, with all that became known since the past date made up anew."""
    work = tmp_path_factory.mktemp("shaken")
    dice = Random("shaken")
    # an amount without an exchange rate stops a build, so the rates stay
    files = write_folder(
        DEMO, work / "files", lambda entity, rows: rows if entity == "fx_rates" else shake(entity, rows, PAST, dice)
    )
    return _build(work, files, dt.date(2026, 7, 1))


def _build(work: Path, files: Path, as_of: dt.date) -> Warehouse:
    warehouse = build_files(work, files, str(as_of), select=SELECTED, **VARIABLES)
    assert warehouse.success, warehouse.messages()
    return warehouse


SIGNALS = (
    "select account_id, signal, as_of_date, is_fired, has_data, value, baseline, severity, fired_since, episode_id, "
    "explanation, evidence, mrr_at_risk from marts.signal_history where grid = 'month' and as_of_date <= ?"
)
HEALTH = "select * exclude (delta_previous_month) from marts.health_history where as_of_date <= ?"
STARTED = (
    "select episode_id, account_id, signal, fired_from from intermediate.int_signal_episodes where fired_from <= ?"
)


def history(warehouse: Warehouse, query: str, *keys: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {tuple(row[key] for key in keys): row for row in warehouse.rows(query, [PAST])}


def assert_same(one: Mapping[Any, Mapping[str, Any]], other: Mapping[Any, Mapping[str, Any]]) -> None:
    assert one, "there is nothing to compare"
    assert one.keys() == other.keys(), sorted(map(str, one.keys() ^ other.keys()))[:5]
    for key, row in one.items():
        for name, value in row.items():
            if isinstance(value, float) and other[key][name] is not None:
                assert other[key][name] == pytest.approx(value, rel=1e-9, abs=1e-9), (key, name)
            else:
                assert other[key][name] == value, (key, name)


def test_a_cut_of_the_inputs_gives_what_the_history_holds(demo: Warehouse, then: Warehouse) -> None:
    keys = ("account_id", "signal", "as_of_date")
    assert_same(history(then, SIGNALS, *keys), history(demo, SIGNALS, *keys))
    assert_same(history(then, STARTED, "episode_id"), history(demo, STARTED, "episode_id"))
    keys = ("account_id", "as_of_date")
    assert_same(history(then, HEALTH, *keys), history(demo, HEALTH, *keys))


def test_what_comes_later_changes_nothing_before_it(demo: Warehouse, shaken: Warehouse) -> None:
    keys = ("account_id", "signal", "as_of_date")
    assert_same(history(demo, SIGNALS, *keys), history(shaken, SIGNALS, *keys))
    assert_same(history(demo, STARTED, "episode_id"), history(shaken, STARTED, "episode_id"))
    keys = ("account_id", "as_of_date")
    assert_same(history(demo, HEALTH, *keys), history(shaken, HEALTH, *keys))


def test_restated_months_are_those_that_were_reported_otherwise(demo: Warehouse, then: Warehouse) -> None:
    """What a build on the past date said of the months that were over, beside what is said of them today."""
    query = "select * exclude (restated_at) from marts.mrr_monthly where is_complete"
    reported = {row["month_start"]: row for row in then.rows(query)}
    today = {row["month_start"]: row for row in demo.rows(query)}
    otherwise = {month for month, row in reported.items() if row != today[month]}
    restated = demo.rows("select month_start from marts.mrr_monthly where restated_at > ?", [PAST])
    assert otherwise == {row["month_start"] for row in restated} & reported.keys()
    assert 0 < len(otherwise) < len(reported), "the demo should have restated months, and others"


SAID = "account_id, signal, is_fired, has_data, value, episode_id"


def test_the_history_holds_what_was_said_on_the_day(then: Warehouse, demo: Warehouse) -> None:
    """account_signals and account_health of the past date are the rows of the later histories."""
    said = {(row["account_id"], row["signal"]): row for row in then.rows(f"select {SAID} from marts.account_signals")}
    kept = {
        (row["account_id"], row["signal"]): row
        for row in demo.rows(f"select {SAID} from marts.signal_history where grid = 'month' and as_of_date = ?", [PAST])
    }
    assert_same(said, kept)
    columns = "account_id, churn_probability, health_score, band, log_odds, data_coverage, revenue_at_risk"
    said_health = {row["account_id"]: row for row in then.rows(f"select {columns} from marts.account_health")}
    kept_health = {
        row["account_id"]: row
        for row in demo.rows(f"select {columns} from marts.health_history where as_of_date = ?", [PAST])
    }
    assert_same(said_health, kept_health)


def test_the_later_rows_were_really_changed(demo: Warehouse, shaken: Warehouse) -> None:
    """Else the comparison could not fail."""
    later = "select count(*) from marts.signal_history where grid = 'month' and as_of_date > ? and is_fired"
    assert demo.value(later, [PAST]) != shaken.value(later, [PAST])
