"""What refreshes remember from one to the next: runs, tests, reported KPIs, attribute changes.

All of it lies in one DuckDB file, opened for moments only and changed in transactions, so that a process that dies
leaves either the old or the new memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from .layout import sync

WAIT_SECONDS = 10.0
STORAGE = "v1.5.0"  # readable by DuckDB 1.5 and 2.0, whichever runs next

TABLES = """
create schema if not exists operations;
create table if not exists operations.refresh_runs (
    build_id varchar primary key, action varchar, status varchar, exit_code integer, reason varchar,
    as_of_date date, target varchar, crm_source varchar, is_full boolean, started_at timestamp, finished_at timestamp,
    seconds double, rows_read bigint, rows_quarantined bigint, tests_failed integer, tests_warned integer,
    project_version varchar
);
create table if not exists operations.model_runs (
    build_id varchar, model varchar, resource_type varchar, layer varchar, status varchar, seconds double,
    rows_written bigint, message varchar
);
create table if not exists operations.test_results (
    build_id varchar, tool varchar, test varchar, mart varchar, column_name varchar, severity varchar, status varchar,
    failures bigint, message varchar
);
create table if not exists operations.account_history (
    account_id varchar, valid_from date, industry varchar, company_size varchar, region varchar, build_id varchar
);
"""

COMMENTS = {
    "refresh_runs": "One row per refresh, publish, rollback or erasure: when, how it ended and why. Times are UTC.",
    "model_runs": "One row per build and dbt model or seed: how long it took and how many rows it holds.",
    "test_results": "One row per build and test (dbt, Great Expectations) that ran: passed, warned or failed.",
    "account_history": "One row per account and day on which a refresh saw other attributes than before; empty where"
    " the source supplies account_history.",
    "reported_kpis": "One row per publish and month of mrr_monthly: what was reported then.",
    "publish_manifest": "One row: which build this file is.",
    "publish_tables": "One row per table of this file: rows and a checksum of their content.",
}


@dataclass
class Run:
    """One row of refresh_runs."""

    build_id: str
    action: str
    started_at: datetime
    status: str = "running"
    exit_code: int | None = None
    reason: str | None = None
    as_of_date: str | None = None
    target: str | None = None
    crm_source: str | None = None
    is_full: bool = False
    finished_at: datetime | None = None
    seconds: float | None = None
    rows_read: int | None = None
    rows_quarantined: int | None = None
    tests_failed: int | None = None
    tests_warned: int | None = None
    project_version: str | None = None

    def finish(self, status: str, exit_code: int, reason: str | None = None) -> None:
        """Ends the run now."""
        self.status, self.exit_code, self.reason = status, exit_code, reason
        self.finished_at = utc_now()
        self.seconds = round((self.finished_at - self.started_at).total_seconds(), 3)


def utc_now() -> datetime:
    """Now in UTC, without a zone, as the tables keep it."""
    return datetime.now(UTC).replace(tzinfo=None)


@contextmanager
def memory(file: Path, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Opens the memory (as schema `operations`); waits a moment where another process has it open."""
    connection = duckdb.connect()
    try:
        connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        _attach(connection, file, read_only)
        connection.execute("use memory_file")
        if not read_only:
            connection.execute(TABLES)
        yield connection
    finally:
        connection.close()


def write_run(connection: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Adds the run, or replaces what is known of it."""
    names = [one.name for one in fields(Run)]
    connection.execute(
        f"insert or replace into operations.refresh_runs ({', '.join(names)}) values ({', '.join('?' * len(names))})",
        [getattr(run, name) for name in names],
    )


def write_rows(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Appends rows to a table of the schema `operations`; all have the same keys."""
    if rows:
        names = list(rows[0])
        values = [[row[name] for row in rows] for name in names]
        connection.execute(
            f"insert into {table} ({', '.join(names)}) select {', '.join('unnest(?)' for _ in names)}", values
        )


def remember_published(connection: duckdb.DuckDBPyConnection, build_id: str, published: Path) -> None:
    """Takes over what the published file says of its own build; twice is the same as once."""
    connection.execute(f"attach {literal(published)} as published (read_only)")
    held = {row[0] for row in connection.execute(_TABLES_OF, ["published"]).fetchall()}
    connection.execute("begin")
    if "reported_kpis" in held:
        _add_missing_columns(connection)
        connection.execute("delete from operations.reported_kpis where build_id = ?", [build_id])
        connection.execute(
            "insert into operations.reported_kpis by name"
            " select * from published.operations.reported_kpis where build_id = ?",
            [build_id],
        )
    connection.execute(
        "insert or replace into operations.refresh_runs by name"
        " select * from published.operations.refresh_runs where build_id = ?",
        [build_id],
    )
    for table in ("model_runs", "test_results"):
        connection.execute(f"delete from operations.{table} where build_id = ?", [build_id])
        connection.execute(
            f"insert into operations.{table} by name select * from published.operations.{table} where build_id = ?",
            [build_id],
        )
    connection.execute(
        "create or replace table operations.account_history as from published.operations.account_history"
    )
    connection.execute("commit")
    connection.execute("detach published")


def attribute_changes(
    connection: duckdb.DuckDBPyConnection, working: Path, conformed: str, as_of: str, build_id: str, file: Path
) -> int:
    """Writes account_history as it is with what this build sees to `file` (Parquet); gives how many accounts changed.

    An account seen for the first time is noted too, and its first note holds for the time before it
    (int_account_segments), so that changes no number. A day before the last notes adds nothing: today's attributes are
    not those of then. A second refresh of the same day replaces its own notes.
    """
    connection.execute(f"attach {literal(working)} as working (read_only)")
    connection.execute(
        f"""
        create temporary table notes as
        with earlier as (
            select * from operations.account_history where valid_from < $as_of::date
        ),

        later as (
            select * from operations.account_history where valid_from > $as_of::date
        ),

        latest as (
            select account_id, max_by((industry, company_size, region), valid_from) as attributes
            from earlier
            group by account_id
        ),

        seen as (
            select
                accounts.account_id, $as_of::date as valid_from, accounts.industry, accounts.company_size,
                accounts.region, $build_id as build_id
            from working."{conformed}".accounts
            left join latest on accounts.account_id = latest.account_id
            where
                latest.account_id is null
                or latest.attributes is distinct from (accounts.industry, accounts.company_size, accounts.region)
        )

        select * from operations.account_history
        where valid_from <> $as_of::date or exists (from later)
        union all
        select * from seen where not exists (from later)
        """,
        {"as_of": as_of, "build_id": build_id},
    )
    connection.execute(f"copy (select * from notes order by all) to {literal(file)} (format parquet)")
    row = connection.execute(
        """
        with known as (select account_id, valid_from, industry, company_size, region from operations.account_history),

        now as (select account_id, valid_from, industry, company_size, region from notes)

        select count(distinct account_id)
        from ((select * from now except select * from known) union all (select * from known except select * from now))
        where account_id in (select account_id from known)
        """
    ).fetchone()
    connection.execute("drop table notes")
    connection.execute("detach working")
    return int(row[0]) if row else 0


def write_held(source: str, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Writes the attribute changes in `source` (an SQL relation) as the input account_history, in one step."""
    waiting, file = folder / ".account_history.next", folder / "account_history.parquet"
    row = connection.execute(f"select count(*) from {source}").fetchone()
    if not row or not row[0]:
        file.unlink(missing_ok=True)
        return
    connection.execute(
        f"copy (select account_id, valid_from, industry, company_size, region from {source} order by all)"
        f" to {literal(waiting)} (format parquet)"
    )
    sync(waiting)
    waiting.replace(file)
    sync(folder)


_TABLES_OF = "select table_name from duckdb_tables() where database_name = ? and schema_name = 'operations'"


def literal(value: Path | str) -> str:
    """A text as an SQL literal."""
    return "'" + str(value).replace("'", "''") + "'"


def _attach(connection: duckdb.DuckDBPyConnection, file: Path, read_only: bool) -> None:
    options = "read_only" if read_only else f"storage_version {STORAGE!r}"
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            connection.execute(f"attach {literal(file)} as memory_file ({options})")
            return
        except duckdb.IOException as error:
            if "lock" not in str(error).lower() or time.monotonic() > until:
                raise
            time.sleep(0.1)


def _add_missing_columns(connection: duckdb.DuckDBPyConnection) -> None:
    """The reported KPIs have the columns of mrr_monthly, those of every version that was ever published."""
    connection.execute(
        "create table if not exists operations.reported_kpis as from published.operations.reported_kpis limit 0"
    )
    columns = (
        "select column_name, data_type from duckdb_columns() where table_name = 'reported_kpis' and database_name = ?"
    )
    known = {name for name, _ in connection.execute(columns, ["memory_file"]).fetchall()}
    for name, type_ in connection.execute(columns, ["published"]).fetchall():
        if name not in known:
            connection.execute(f'alter table operations.reported_kpis add column "{name}" {type_}')
