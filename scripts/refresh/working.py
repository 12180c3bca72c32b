"""The working database: one process at a time writes it, and it says which complete build it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import duckdb

from . import lock
from .candidate import Build
from .report import in_use, wrong

# marts that say of which day they are, in one value for all rows
MARTS_OF_ONE_DAY = ("account_health", "account_signals", "alerts")


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Two publish folders may share one working database; only one refresh at a time may write it."""
    with lock.held(file.with_name(f".{file.name}.lock"), "refresh of this working database"):
        yield


@contextmanager
def reading(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Opens it for reading. Stop: another process has it open."""
    try:
        connection = duckdb.connect(str(file), read_only=True)
    except duckdb.IOException as error:
        if _is_locked(error):
            raise in_use(file) from error
        raise
    try:
        yield connection
    finally:
        connection.close()


def check_place(file: Path) -> None:
    """Makes its folder. Stop: it can have none, or the file is no DuckDB file but somebody's own."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise wrong(f"BESTAND_DATABASE is {file}, which lies in no folder: {error.strerror}.") from error
    if file.exists() and file.stat().st_size:
        with file.open("rb") as content:
            if content.read(12)[8:] != b"DUCK":
                raise wrong(f"BESTAND_DATABASE is {file}, which is no DuckDB file.")


def make_ready(file: Path, *, full: bool) -> str | None:
    """Opens it once: replays what a crash has left, and begins anew where it cannot be read, which is then said.

    Stop: another process has it open.
    """
    wal = file.with_name(f"{file.name}.wal")
    if full:
        file.unlink(missing_ok=True)
        wal.unlink(missing_ok=True)
    try:
        duckdb.connect(str(file)).close()
    except duckdb.Error as error:
        if _is_locked(error):
            raise in_use(file) from error
        if "space" in str(error).lower() or "Permission" in str(error):
            raise
        aside = file.with_name(f"{file.name}.unreadable")
        file.replace(aside)
        wal.unlink(missing_ok=True)
        return f"The working database could not be read; it is now {aside.name}, and a new one was made."
    return None


def mark_complete(file: Path, build: Build) -> None:
    """Notes that it holds this build whole, which `bestand publish` asks for."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema if not exists operations")
        connection.execute("create or replace table operations.last_build (build varchar)")
        connection.execute("insert into operations.last_build values (?)", [json.dumps(asdict(build))])


def complete_build(file: Path) -> Build:
    """The complete build it holds. Stop: there is none."""
    row = None
    if file.exists():
        with reading(file) as connection:
            if "last_build" in _tables(connection, "operations"):
                row = connection.execute("select build from operations.last_build").fetchone()
    if row is None:
        raise wrong(f"{file} holds no complete build: run bestand refresh first.")
    found = json.loads(row[0])
    return Build(**{**found, "marts": tuple(found["marts"])})


def check_whole(file: Path, build: Build) -> None:
    """Stop: what dbt has built there on its own lacks marts of this build, or is of another day."""
    if not file.exists():
        raise wrong(f"There is no database {file}: build it first (dbt build).")
    with reading(file) as connection:
        missing = sorted(set(build.marts) - _tables(connection, build.schema))
        if missing:
            raise wrong(f"{file} lacks {', '.join(missing)}: build all marts first (dbt build).")
        for mart in sorted(set(build.marts) & set(MARTS_OF_ONE_DAY)):
            found = connection.execute(f'select distinct as_of_date from "{build.schema}".{mart}').fetchall()
            days = [str(day) for (day,) in found]
            if days and days != [build.as_of_date]:
                raise wrong(
                    f"The mart {mart} was built for {', '.join(days)}, not for {build.as_of_date}: build it for that"
                    " day, or publish it for its own."
                )


def input_rows(file: Path, build: Build) -> tuple[int | None, int | None]:
    """Rows read and rows quarantined, of all entities; None where the build does not count them."""
    if "input_accounting" not in build.marts:
        return None, None
    with reading(file) as connection:
        row = connection.execute(
            f'select sum(rows_read)::bigint, sum(rows_quarantined)::bigint from "{build.schema}".input_accounting'
        ).fetchone()
    return row or (None, None)


def why_in_full(file: Path) -> str | None:
    """Why the last dbt build in it was no increment; None where it was one, or where nothing says so."""
    with reading(file) as connection:
        places = connection.execute(
            "select schema_name from duckdb_tables() where table_name = 'increment_run' order by schema_name"
        ).fetchall()
        for (schema,) in places:
            row = connection.execute(f'select is_increment, reason from "{schema}".increment_run').fetchone()
            if row and not row[0]:
                return str(row[1])
    return None


def forget_increments(file: Path) -> None:
    """Drops what increments start from: the next build is a full one. For whoever changes rows behind dbt's back."""
    with duckdb.connect(str(file)) as connection:
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables() where schema_name like '%operations'"
            " and table_name like 'increment\\_%' escape '\\'"
        ).fetchall():
            connection.execute(f'drop table "{schema}"."{table}"')


def lacks_attribute_history(file: Path, build: Build) -> bool:
    """Whether the project itself has to keep earlier attributes: the source has accounts, but no account_history."""
    if build.crm_source == "seeds":
        return False
    with reading(file) as connection:
        row = connection.execute(
            f"select not is_supplied or input_format = 'held' from \"{build.staging}\".stg_crm__inputs"
            " where entity = 'account_history'"
        ).fetchone()
    return bool(row and row[0])


def rows_by_table(file: Path) -> dict[str, int]:
    """How many rows each table holds; nothing where the file cannot be read."""
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            return dict(connection.execute("select table_name, estimated_size from duckdb_tables()").fetchall())
    except duckdb.Error:
        return {}


def _tables(connection: duckdb.DuckDBPyConnection, schema: str) -> set[str]:
    found = connection.execute("select table_name from duckdb_tables() where schema_name = ?", [schema]).fetchall()
    return {table for (table,) in found}


def _is_locked(error: duckdb.Error) -> bool:
    return "lock" in str(error).lower()
