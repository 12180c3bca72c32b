"""The parts of a refresh by themselves, without dbt: lock, memory, attribute changes, what is written and proven."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from bestand import erasure
from bestand.refresh import blame, candidate, lock, run, state, swap
from bestand.refresh.layout import Layout, new_build_id, put_in_place
from rich.console import Console

HOLD = """
import sys, time
from pathlib import Path
from bestand.refresh import lock
with lock.held(Path(sys.argv[1]), "refresh"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "published")
    layout.prepare()
    return layout


@pytest.fixture
def working(tmp_path: Path) -> Path:
    file = tmp_path / "working.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            """
            create schema marts; create schema conformed; create schema quarantine;
            create table marts.mrr_monthly as
                select date '2026-05-01' as month_start, 100.25::decimal(18, 4) as mrr_end, 0.1 + 0.2e0 as nrr;
            create table marts.account_months as from range(3) as t(n), (values ('A-1'), (null)) as a(account_id);
            create table marts.empty as select 1 as nothing where false;
            create table conformed.accounts as from (values
                ('A-1', 'retail', 'small', 'North'), ('A-2', null, null, null)
            ) as t(account_id, industry, company_size, region);
            """
        )
    return file


def build(build_id: str) -> candidate.Build:
    return candidate.Build(
        build_id=build_id, as_of_date="2026-06-01", marts=("mrr_monthly", "account_months", "empty"), schema="marts",
        conformed="conformed", staging="staging", quarantine="quarantine", reporting_currency="EUR", crm_source="files",
        project_version="0", is_full=False,
    )  # fmt: skip


def made(layout: Layout, working: Path) -> tuple[Path, candidate.Build]:
    """A publish that is put together but not swapped in."""
    build_id = new_build_id()
    what = build(build_id)
    folder = layout.making(build_id)
    folder.mkdir()
    marts = [candidate.Mart(name, f"One row per {name}; it's tested.", {}) for name in what.marts]
    run = state.Run(build_id, "refresh", state.utc_now())
    with state.memory(layout.memory) as memory:
        state.write_run(memory, run)
    run.finish("published", 0)
    candidate.write_marts(working, folder / "marts.duckdb", what, marts)
    candidate.write_operations(folder / "marts.duckdb", layout.memory, what, run, candidate.Details(), None)
    candidate.write_parquet(folder / "marts.duckdb", folder / "parquet")
    return folder, what


def test_one_at_a_time_and_stale_locks(tmp_path: Path) -> None:
    file = tmp_path / "refresh.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        assert lock.is_held(file)
        with pytest.raises(lock.Busy, match=f"process {holder.pid} on"), lock.held(file, "refresh"):
            pass
        assert (lock.holder(file) or {})["pid"] == holder.pid, "who was refused has left the holder's words alone"
    finally:
        holder.kill()
        holder.wait()
    assert not lock.is_held(file)
    with lock.held(file, "refresh") as stale:
        assert stale is not None and stale["pid"] == holder.pid
    with lock.held(file, "refresh") as stale:
        assert stale is None
    file.write_text("{ cut o")
    with lock.held(file, "refresh") as stale:
        assert stale is None


def test_what_is_published_is_what_was_built(layout: Layout, working: Path) -> None:
    folder, what = made(layout, working)
    manifest = candidate.write_manifest(folder)
    assert {(t["table_name"], t["row_count"]) for t in manifest["tables"] if t["schema_name"] == candidate.SCHEMA} == {
        ("mrr_monthly", 1), ("account_months", 6), ("empty", 0),
    }  # fmt: skip
    swap.keep(layout, what.build_id)
    swap.prepare(layout, what.build_id)
    swap.swap(layout)
    assert swap.current_build(layout) == layout.parquet_build() == what.build_id
    with duckdb.connect(str(layout.current), read_only=True) as connection:
        ours = connection.execute("select * from marts.mrr_monthly").fetchall()
        assert connection.execute(
            "select comment from duckdb_tables() where table_name = 'empty'"
        ).fetchall() == [("One row per empty; it's tested.",)]  # fmt: skip
        assert connection.execute("select count(*) from operations.reported_kpis").fetchone() == (1,)
        parquet = f"read_parquet('{layout.parquet}/mrr_monthly.parquet')"
        assert connection.execute(f"select * from {parquet}").fetchall() == ours
    for file in json.loads((layout.kept(what.build_id) / "manifest.json").read_text())["files"]:
        assert candidate.sha256(layout.kept(what.build_id) / file["path"]) == file["sha256"]


@pytest.mark.parametrize("broken", ["parquet", "duckdb"])
def test_a_publish_that_is_not_what_was_written_is_refused(layout: Layout, working: Path, broken: str) -> None:
    folder, _ = made(layout, working)
    if broken == "parquet":
        duckdb.sql("select 1 as n").write_parquet(str(folder / "parquet" / "account_months.parquet"))
    else:
        with duckdb.connect(str(folder / "marts.duckdb")) as connection:
            connection.execute("update marts.account_months set n = 7 where n = 2")
    with pytest.raises(candidate.Unsound, match="account_months"):
        candidate.write_manifest(folder)


@pytest.mark.parametrize("swapped", [False, True])
def test_healing_finishes_or_takes_away(layout: Layout, working: Path, swapped: bool) -> None:
    folder, what = made(layout, working)
    candidate.write_manifest(folder)
    swap.keep(layout, what.build_id)
    if swapped:
        put_in_place(layout.kept(what.build_id) / "marts.duckdb", layout.current)
    (layout.publishes / ".making-x").mkdir()
    swap.heal(layout)
    assert swap.heal(layout) == [], "nothing is left to do"
    assert layout.kept_builds() == ([what.build_id] if swapped else [])
    assert layout.parquet_build() == (what.build_id if swapped else None)
    assert not (layout.publishes / ".making-x").exists()
    with state.memory(layout.memory, read_only=True) as memory:
        assert memory.execute("select status from operations.refresh_runs").fetchall() == [
            ("published" if swapped else "interrupted",)
        ]


def test_pruning_keeps_the_current_publish(layout: Layout, working: Path) -> None:
    ids = []
    for _ in range(3):
        folder, what = made(layout, working)
        candidate.write_manifest(folder)
        swap.keep(layout, what.build_id)
        ids.append(what.build_id)
    oldest, *_, newest = sorted(ids)
    swap.prepare(layout, oldest)
    swap.swap(layout)
    swap.prune(layout, 1)
    assert layout.kept_builds() == [newest, oldest]


def test_attribute_changes(layout: Layout, working: Path, tmp_path: Path) -> None:
    file = tmp_path / "history.parquet"

    def seen(as_of: str, build_id: str) -> tuple[int, list[tuple[object, ...]]]:
        with state.memory(layout.memory) as memory:
            changed = state.attribute_changes(memory, working, "conformed", as_of, build_id, file)
            memory.execute(f"create or replace table operations.account_history as from '{file}'")
            return changed, memory.execute(
                "select account_id, cast(valid_from as varchar), region from operations.account_history order by all"
            ).fetchall()

    def move(account_id: str, region: str | None) -> None:
        with duckdb.connect(str(working)) as connection:
            connection.execute("update conformed.accounts set region = ? where account_id = ?", [region, account_id])

    first: list[tuple[object, ...]] = [("A-1", "2026-06-01", "North"), ("A-2", "2026-06-01", None)]
    assert seen("2026-06-01", "1") == (0, first), "first notes change nothing"
    assert seen("2026-06-01", "2") == (0, first), "twice is the same as once"
    assert seen("2026-06-02", "3") == (0, first), "nothing has changed"
    move("A-2", "West")
    assert seen("2026-05-01", "4") == (0, first), "a day before the last notes adds nothing"
    moved = sorted([*first, ("A-2", "2026-06-03", "West")])
    assert seen("2026-06-03", "5") == (1, moved), "from nothing to something is a change"
    assert seen("2026-06-03", "6") == (0, moved)
    move("A-2", None)
    assert seen("2026-06-03", "7") == (1, first), "seen otherwise on the same day: that day's note is replaced"
    move("A-2", "West")
    with duckdb.connect(str(working)) as connection:
        connection.execute("insert into conformed.accounts values ('A-3', null, null, 'East')")
    assert seen("2026-06-04", "8") == (
        1, sorted([*first, ("A-2", "2026-06-04", "West"), ("A-3", "2026-06-04", "East")]),
    )  # fmt: skip


def test_the_held_input_is_there_only_with_content(layout: Layout) -> None:
    held = layout.held / "account_history.parquet"
    with state.memory(layout.memory) as memory:
        memory.execute("insert into operations.account_history values ('A-1', '2026-06-01', 'x', null, null, 'b')")
        state.write_held("operations.account_history", memory, layout.held)
        assert duckdb.sql(f"select account_id, industry from '{held}'").fetchall() == [("A-1", "x")]
        memory.execute("delete from operations.account_history")
        state.write_held("operations.account_history", memory, layout.held)
    assert not held.exists()


def test_reported_kpis_survive_new_columns(layout: Layout, working: Path) -> None:
    for change in ("", "alter table marts.mrr_monthly add column grr double default 0.5"):
        with duckdb.connect(str(working)) as connection:
            connection.execute(change or "select 1")
        folder, what = made(layout, working)
        candidate.write_manifest(folder)
        with state.memory(layout.memory) as memory:
            state.remember_published(memory, what.build_id, folder / "marts.duckdb")
            state.remember_published(memory, what.build_id, folder / "marts.duckdb")
    with state.memory(layout.memory, read_only=True) as memory:
        rows = memory.execute("select mrr_end, grr from operations.reported_kpis order by grr nulls first").fetchall()
    assert [(float(mrr), grr) for mrr, grr in rows] == [(100.25, None), (100.25, 0.5)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("accounts.csv", "Account_ID;acquired_on;account_name\nA-1;2026-01-01;x\nA-2;2026-13-01;Jane Doe\n"),
        ("accounts.json", '[{"account_id": "A-1"}, {"account_id": "A-2", "acquired_on": "2026-13-01",'
            ' "account_name": "Jane Doe"}]'),
        ("accounts/part.csv", "account_name,acquired_on,account_id\nx,,A-1\nJane Doe,2026-13-01,A-2\n"),
    ],
)  # fmt: skip
def test_a_refused_row_is_found_in_its_file(working: Path, tmp_path: Path, name: str, content: str) -> None:
    file = tmp_path / "crm" / name
    file.parent.mkdir(parents=True)
    file.write_text(content)
    raw = {"account_id": "A-2", "acquired_on": "2026-13-01", "account_name": "Jane Doe", "region": None}
    with duckdb.connect(str(working)) as connection:
        connection.execute(
            "create table conformed.validated_accounts as"
            " select 'quarantined' as disposition, ? as raw_row,"
            " 'unparsable:acquired_on, over_long:account_name' as reasons",
            [json.dumps(raw)],
        )
        connection.execute(
            "create table quarantine.reader_rejects as select 'accounts' as entity, 'crm/accounts.csv' as file,"
            " 9 as line, 'region' as column_name, 'missing columns' as reason"
        )
    said = blame.refused_rows(working, build("x"), "accounts", tmp_path / "crm")
    assert said == [
        "crm/accounts.csv, line 9: missing columns in column region",
        f"{name}, row 2: column acquired_on: unparsable ('2026-13-01'); column account_name: over long",
    ]
    assert "Jane" not in " ".join(said)


def test_the_folder_is_for_its_owner_where_it_matters(layout: Layout) -> None:
    for folder in (layout.state, layout.held, layout.restricted):
        assert folder.stat().st_mode & 0o077 == 0
    assert os.access(layout.root, os.R_OK)


@pytest.mark.parametrize("trouble", [None, erasure.ErasureError("The input folder is gone.")])
def test_an_interrupted_erasure_is_finished_before_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception | None
) -> None:
    class Erased:
        def summary(self) -> str:
            return "Erased 1 account."

    def finish(layout: Layout) -> Erased:
        if trouble:
            raise trouble
        return Erased()

    monkeypatch.setenv("BESTAND_PUBLISH_DIR", str(tmp_path / "published"))
    monkeypatch.setenv("BESTAND_DATABASE", str(tmp_path / "none.duckdb"))
    monkeypatch.setattr(erasure, "unfinished", lambda layout: object())
    monkeypatch.setattr(erasure, "finish", finish)
    report = run.publish(7, Console(quiet=True))
    if trouble:
        assert (report.exit_code, report.run.reason) == (4, "The input folder is gone.")
    else:
        assert report.exit_code == 2, "and then the publish goes on: here there is nothing to publish"
        assert "An interrupted erasure was finished. Erased 1 account." in report.notes
