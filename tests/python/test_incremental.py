"""A database brought up to date batch by batch holds what one full build of the same rows holds."""

from __future__ import annotations

import datetime as dt
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import signal_histories as histories
import yaml
from incremental_support import DAY, Refreshes, Rows, delivered, quiet, twisted
from project import ROOT, Warehouse, write_entity
from same_marts import differences

pytestmark = pytest.mark.slow

FIRST = dt.date(2025, 3, 1)
SCHEMAS = ("conformed", "quarantine", "intermediate", "marts")
BY_THEMSELVES = ("int_touched_",)  # they say what a build has to do, and so differ


def unlike(one: Warehouse, other: Warehouse) -> list[str]:
    """What differs between two databases."""
    found = [text for schema in SCHEMAS for text in differences(one.database, other.database, schema)]
    return [text for text in found if not any(name in text for name in BY_THEMSELVES)]


def reason(warehouse: Warehouse) -> str | None:
    """Why a build was no increment; None where it was one."""
    (row,) = warehouse.rows("select is_increment, reason from operations.increment_run")
    return None if row["is_increment"] else row["reason"]


def written(warehouse: Warehouse) -> dict[str, tuple[Any, ...]]:
    """Per model whether it was brought up to date, and the rows it deleted and inserted."""
    rows = warehouse.rows("select * from operations.increment_models")
    return {row["model"]: (row["is_increment"], row["rows_deleted"], row["rows_inserted"]) for row in rows}


def succeeded(warehouse: Warehouse) -> Warehouse:
    assert warehouse.success, warehouse.messages()
    return warehouse


def whole(work: Path, rows: Rows, as_of: dt.date, **variables: Any) -> Warehouse:
    """One full build of rows in a database of its own."""
    shutil.rmtree(work, ignore_errors=True)
    return succeeded(Refreshes(work).build(rows, as_of, **variables))


def steps(seed: int) -> list[dt.date]:
    """Days of the refreshes of a sequence: mostly one after the other, once after a while."""
    chance = random.Random(seed)
    days, day = [], FIRST
    for gap in (1, 1, chance.choice([2, 3]), chance.choice([10, 30])):
        day += gap * DAY
        days.append(day)
    return days


SEEDS = [1, 2, *(pytest.param(seed, marks=pytest.mark.torture) for seed in range(3, 11))]


@pytest.mark.parametrize("seed", SEEDS)
def test_batches_give_what_one_build_gives(tmp_path: Path, seed: int) -> None:
    """Random batches of new, late, corrected, moved, doubled and deleted rows, and of accounts that merge and go."""
    days = steps(seed)
    rows = twisted(histories.generate(200, seed), days, seed)
    refreshes = Refreshes(tmp_path / "batches", {"reporting_time_zone": histories.ZONES[seed % 2]})
    succeeded(refreshes.build(delivered(rows, FIRST), FIRST))
    for number, day in enumerate(days):
        warehouse = succeeded(refreshes.build(delivered(rows, day), day))
        assert reason(warehouse) is None
        done = written(warehouse)
        for model in ("validated_orders", "validated_usage_daily", "int_usage_days", "int_usage_counts"):
            assert done[model][0], f"{model} was built in full"
        if number in (1, len(days) - 1):
            expected = whole(tmp_path / "whole", delivered(rows, day), day, **refreshes.variables)
            assert not unlike(warehouse, expected)


def test_each_thing_that_touches_an_account_does(tmp_path: Path) -> None:
    """Accounts to which one thing happens, on a day on which nothing else does; see `quiet`."""
    days = [FIRST + number * DAY for number in (1, 2, 3)]
    usual = delivered(histories.generate(12, 5), FIRST)
    things = quiet(days)
    refreshes = Refreshes(tmp_path / "batches")
    for day in (FIRST, *days):
        given = delivered(things, day)
        both = {entity: [*found, *given[entity]] for entity, found in usual.items()}
        warehouse = succeeded(refreshes.build(both, day))
        if day != FIRST:
            assert reason(warehouse) is None
            assert not unlike(warehouse, whole(tmp_path / "whole", both, day))
        in_full = {model for model, what in written(warehouse).items() if not what[0]}
        if day == days[0]:
            assert not in_full
        elif day != FIRST:
            assert in_full == {
                "int_usage_silences", "int_signals_engagement", "int_signals_tickets", "int_signal_pieces",
                "int_signal_runs",
            }  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> Rows:
    days = [FIRST + DAY, FIRST + 2 * DAY, FIRST + 3 * DAY]
    return twisted(histories.generate(60, 11), days, 11)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory, rows: Rows) -> Refreshes:
    """A whole build of the first day, for tests to copy."""
    refreshes = Refreshes(tmp_path_factory.mktemp("state"))
    succeeded(refreshes.build(delivered(rows, FIRST), FIRST))
    return refreshes


@pytest.fixture
def refreshes(state: Refreshes, tmp_path: Path) -> Refreshes:
    copy = Refreshes(tmp_path / "copy")
    copy.work.mkdir()
    shutil.copy(state.database, copy.database)
    return copy


def test_a_batch_that_touches_nothing_writes_nothing(refreshes: Refreshes, rows: Rows, tmp_path: Path) -> None:
    """The same rows a day later: no row of a model by account is written, and none is other than in a full build."""
    day = FIRST + DAY
    same = delivered(rows, FIRST)
    warehouse = succeeded(refreshes.build(same, day))
    assert reason(warehouse) is None
    done = {model: what for model, what in written(warehouse).items() if model.startswith("validated_")}
    pending = warehouse.rows("select * from conformed.validated_orders where disposition = 'not_yet_known'")
    assert not pending, "rows announced are touched until they are known"
    assert done and all(what == (True, 0, 0) for what in done.values()), done
    assert not unlike(warehouse, whole(tmp_path / "whole", same, day))
    again = succeeded(refreshes.build(same, day))
    done = written(again)
    assert len(done) >= 14
    assert all(what == (True, 0, 0) for what in done.values()), done
    assert not unlike(again, warehouse)


def test_a_batch_delivered_twice(refreshes: Refreshes, rows: Rows, tmp_path: Path) -> None:
    """Rows that were known already and come again are seen, and nobody can say which they are: all is built."""
    day = FIRST + DAY
    once, before = delivered(rows, day), delivered(rows, FIRST)
    succeeded(refreshes.build(once, day))
    again = succeeded(refreshes.build(once, day))
    assert reason(again) is None
    new = {entity: [row for row in found if row not in before[entity]] for entity, found in once.items()}
    twice = {entity: found + new[entity] for entity, found in once.items()}
    warehouse = succeeded(refreshes.build(twice, day))
    assert "are not those of the last build" in str(reason(warehouse))
    assert not unlike(warehouse, whole(tmp_path / "whole", twice, day))


def aged(folder: Path) -> None:
    """Makes new files an hour older, as those are that a refresh finds: of new ones it does not trust the time."""
    for file in folder.rglob("*.csv"):
        stat = file.stat()
        if stat.st_mtime > time.time() - 1800:
            os.utime(file, (stat.st_atime, stat.st_mtime - 3600))


def test_files_that_have_not_changed_are_not_read_again(tmp_path: Path, rows: Rows) -> None:
    """Each day brings files of its own. What older ones hold is taken as it was while their size and time are."""
    refreshes, folder = Refreshes(tmp_path / "batches"), tmp_path / "files"
    lasting = {entity: [row for row in found if "withdrawn" not in row] for entity, found in rows.items()}
    before: Rows = {entity: [] for entity in lasting}
    for day in (FIRST, FIRST + DAY, FIRST + 2 * DAY):
        now = delivered(lasting, day)
        for entity, found in now.items():
            new = [row for row in found if row not in before[entity]]
            write_entity(folder / entity, str(day), new, histories.COLUMNS[entity])
        aged(folder)
        before = now
        warehouse = succeeded(refreshes.run(folder, day))
        assert day == FIRST or reason(warehouse) is None
    assert not unlike(warehouse, succeeded(Refreshes(tmp_path / "whole").run(folder, day)))

    # not seen, as the file is not read
    events = folder / "usage_events" / f"{FIRST}.csv"
    stat, content = events.stat(), events.read_bytes()
    account = rows["accounts"][0]["account_id"].encode()
    assert account in content
    events.write_bytes(content.replace(account, account[::-1]))
    os.utime(events, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert reason(succeeded(refreshes.run(folder, day))) is None
    # seen by its time; and so is what a new file says of a time that is known
    os.utime(events)
    assert "usage_events: rows known until" in str(reason(succeeded(refreshes.run(folder, day))))
    events.write_bytes(content)
    aged(folder)
    succeeded(refreshes.run(folder, day))
    shutil.copy(folder / "orders" / f"{FIRST}.csv", folder / "orders" / "again.csv")
    aged(folder)
    warehouse = succeeded(refreshes.run(folder, day))
    assert "orders: rows known until" in str(reason(warehouse))
    assert not unlike(warehouse, succeeded(Refreshes(tmp_path / "again").run(folder, day)))
    assert reason(succeeded(refreshes.run(folder, day))) is None


@pytest.mark.parametrize("broken", ["int_usage_counts", "int_signal_episodes"])
def test_a_build_that_breaks_is_done_again(refreshes: Refreshes, rows: Rows, tmp_path: Path, broken: str) -> None:
    """A model that cannot be made ends the build half-way. What comes next may hold less than the broken build saw."""
    day = FIRST + DAY
    with refreshes.in_the_way(broken):
        failed = refreshes.build(delivered(rows, day), day)
        assert not failed.success
    shorter = {
        entity: found if entity in ("accounts", "features") else found[: -len(found) // 300 or None]
        for entity, found in delivered(rows, day).items()
    }
    warehouse = succeeded(refreshes.build(shorter, day))
    expected = whole(tmp_path / "whole", shorter, day)
    assert not unlike(warehouse, expected)
    day += DAY
    with refreshes.in_the_way(broken):
        assert not refreshes.build(delivered(rows, day), day).success
    warehouse = succeeded(refreshes.build(delivered(rows, day), day))
    assert not unlike(warehouse, whole(tmp_path / "whole", delivered(rows, day), day))


CASES: dict[str, tuple[Callable[[Refreshes, Rows], Warehouse], str]] = {
    "backdated": (
        lambda refreshes, rows: refreshes.build(delivered(rows, FIRST - DAY), FIRST - DAY),
        "the as-of date 2025-02-28 lies before 2025-03-01, that of the last build",
    ),
    "var": (
        lambda refreshes, rows: refreshes.build(delivered(rows, FIRST), FIRST, alert_grid=7),
        "changed vars: alert_grid",
    ),
    "full": (
        lambda refreshes, rows: refreshes.build(delivered(rows, FIRST), FIRST, "--full-refresh"),
        "it was asked for",
    ),
    "edited": (
        lambda refreshes, rows: refreshes.build(edited(delivered(rows, FIRST)), FIRST),
        "are not those of the last build",
    ),
    "entity": (
        lambda refreshes, rows: refreshes.build(
            {entity: found for entity, found in delivered(rows, FIRST).items() if entity != "messages"}, FIRST
        ),
        "messages is not supplied any more",
    ),
}


def edited(rows: Rows) -> Rows:
    """One row says something else, and nothing tells that it was changed."""
    first, *rest = rows["usage_events"]
    return {**rows, "usage_events": [{**first, "quantity": 77}, *rest]}


@pytest.mark.parametrize("case", list(CASES))
def test_what_needs_a_full_build_gets_one_and_says_so(refreshes: Refreshes, rows: Rows, case: str) -> None:
    build, expected = CASES[case]
    warehouse = succeeded(build(refreshes, rows))
    assert expected in str(reason(warehouse))
    assert not any(is_increment for is_increment, *_ in written(warehouse).values())


def test_a_part_of_the_project_is_built_in_full_and_so_is_what_follows(refreshes: Refreshes, rows: Rows) -> None:
    part = Refreshes(refreshes.work, select=("int_usage_days",))
    warehouse = succeeded(part.build(delivered(rows, FIRST), FIRST))
    assert reason(warehouse) == "only a part of the project is selected"
    assert written(warehouse) == {"int_usage_days": (False, None, None)}
    warehouse = succeeded(refreshes.build(delivered(rows, FIRST), FIRST))
    assert reason(warehouse) == "there is no whole build to start from"


def test_every_var_is_compared_or_known_not_to_matter() -> None:
    project = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))
    text = (ROOT / "macros" / "refresh" / "state.sql").read_text(encoding="utf-8")
    listed = text.split("{% macro refresh_vars() %}")[1].split("{% endmacro %}")[0]
    missing = {name for name in project["vars"] if f"'{name}'" not in listed}
    assert missing == {"as_of_date", "demo_as_of_date", "crm_files", "crm_held_files", "crm_schema"}
