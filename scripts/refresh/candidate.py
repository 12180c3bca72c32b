"""Puts a publish together: the marts alone, as a DuckDB file and as Parquet, with a manifest that proves both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from . import state
from .steps import reached

# A file named marts.duckdb is the catalog `marts`: in its schema main a mart is `marts.mrr_monthly`, as in the working
# database. A schema of the same name as the catalog would make every such name ambiguous.
SCHEMA = "main"
OPERATIONS = ("refresh_runs", "model_runs", "test_results", "reported_kpis")
BUILDS_WITH_DETAILS = 100  # of so many builds a publish carries every model and test; of all of them, the run

CHECKSUM = "coalesce(sum(md5_number_lower(cast(one as varchar))), 0)::varchar"


class Unsound(Exception):
    """What was written is not what was to be written; the message says where."""


@dataclass(frozen=True)
class Mart:
    """A mart as dbt knows it."""

    name: str
    description: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Build:
    """What the working database holds: written by the build that completed last."""

    build_id: str
    as_of_date: str
    marts: tuple[str, ...]
    schema: str
    conformed: str
    staging: str
    quarantine: str
    reporting_currency: str
    crm_source: str
    project_version: str
    is_full: bool


def write_marts(working: Path, candidate: Path, build: Build, marts: Sequence[Mart]) -> None:
    """Copies the marts of the working database, and nothing else of it, into a file DuckDB 1.5 can read too."""
    with _files(candidate, working=working) as connection:
        connection.execute("create schema candidate.operations")
        for mart in marts:
            reached(f"copying {mart.name}")
            name = f'candidate.{SCHEMA}."{mart.name}"'
            connection.execute(f'create table {name} as select * from working."{build.schema}"."{mart.name}"')
            comment(connection, name, mart.description)
            for column, description in mart.columns.items():
                comment(connection, f'{name}."{column}"', description, kind="column")


def write_operations(
    candidate: Path, memory: Path, build: Build, run: state.Run, details: Details, history: Path | None
) -> None:
    """Adds what refreshes remember, with the run that publishes this file, and which build it is.

    `history` is account_history with what this build has seen; without it, it stays as remembered.
    """
    with _files(candidate, remembered=memory) as connection:
        connection.execute("use candidate")
        held = {row[0] for row in connection.execute(_TABLES_OF, ["remembered"]).fetchall()}
        for table in ("refresh_runs", "model_runs", "test_results"):
            recent = "" if table == "refresh_runs" else f" where build_id in ({_RECENT})"
            connection.execute(f"create table operations.{table} as from remembered.operations.{table}{recent}")
        connection.execute("delete from operations.refresh_runs where build_id = ?", [run.build_id])
        _insert_run(connection, run)
        state.write_rows(connection, "operations.model_runs", details.models)
        state.write_rows(connection, "operations.test_results", details.tests)
        seen = f"read_parquet({state.literal(history)})" if history else "remembered.operations.account_history"
        connection.execute(f"create table operations.account_history as from {seen}")
        _write_kpis(connection, run, build, remembered="reported_kpis" in held)
        connection.execute(
            "create table operations.publish_manifest as select ? as build_id, cast(? as date) as as_of_date,"
            " cast(? as timestamp) as published_at, ? as schema_version, ? as project_version,"
            " ? as reporting_currency",
            [run.build_id, build.as_of_date, run.finished_at, schema_version(connection), build.project_version,
             build.reporting_currency],
        )  # fmt: skip
        connection.execute(
            "create table operations.publish_tables"
            " (schema_name varchar, table_name varchar, row_count bigint, checksum varchar)"
        )
        for schema, table in _tables(connection):
            if table != "publish_tables":
                connection.execute(
                    f"insert into operations.publish_tables select ?, ?, count(*), {CHECKSUM}"
                    f' from candidate."{schema}"."{table}" as one',
                    [schema, table],
                )
        for table, text in state.COMMENTS.items():
            if ("operations", table) in _tables(connection):
                comment(connection, f"operations.{table}", text)


def write_parquet(candidate: Path, folder: Path) -> None:
    """Writes every mart, and the manifest, as one Parquet file each."""
    folder.mkdir(parents=True)
    with _files(candidate, read_only=True) as connection:
        for schema, table in [*_tables(connection), ("operations", "publish_manifest")]:
            if schema == SCHEMA or table == "publish_manifest":
                reached(f"writing {table}.parquet")
                connection.execute(
                    f'copy candidate."{schema}"."{table}" to {state.literal(folder / f"{table}.parquet")}'
                    " (format parquet, compression zstd)"
                )


def write_manifest(folder: Path) -> dict[str, Any]:
    """Writes manifest.json for the DuckDB file and the Parquet folder beside it: build, tables, files, checksums.

    Everything is read back from the disk first and must be what the candidate says of itself, or Unsound is raised.
    """
    candidate, parquet = folder / "marts.duckdb", folder / "parquet"
    with _files(candidate, read_only=True) as connection:
        manifest = _row(connection, "select * from candidate.operations.publish_manifest")
        tables = _rows(connection, "select * from candidate.operations.publish_tables order by all")
        for table in tables:
            name = f'candidate."{table["schema_name"]}"."{table["table_name"]}"'
            _compare(connection, name, table, str(name))
            file = parquet / f"{table['table_name']}.parquet"
            if table["schema_name"] == SCHEMA:
                _compare(connection, f"read_parquet({state.literal(file)})", table, file.name)
    files = [
        {"path": str(file.relative_to(folder)), "bytes": file.stat().st_size, "sha256": sha256(file)}
        for file in sorted([candidate, *parquet.iterdir()])
        if file.name != "manifest.json"
    ]
    manifest = {**manifest, "tables": tables, "files": files}
    text = json.dumps(manifest, indent=2, default=_plain) + "\n"
    for place in (folder, parquet):
        (place / "manifest.json").write_text(text, encoding="utf-8")
    return manifest


@dataclass(frozen=True)
class Details:
    """Rows for model_runs and test_results."""

    models: Sequence[Mapping[str, Any]] = ()
    tests: Sequence[Mapping[str, Any]] = ()

    def tests_that(self, *statuses: str) -> int:
        """How many tests ended so."""
        return sum(row["status"] in statuses for row in self.tests)

    def replaced_by(self, later: Details) -> Details:
        """These, with what ran again as it ran last."""
        models = {row["model"] for row in later.models}
        tests = {(row["tool"], row["test"]) for row in later.tests}
        return Details(
            [*(row for row in self.models if row["model"] not in models), *later.models],
            [*(row for row in self.tests if (row["tool"], row["test"]) not in tests), *later.tests],
        )


def rows_of(published: Path) -> dict[str, int]:
    """How many rows each mart of a publish has."""
    with duckdb.connect(str(published), read_only=True) as connection:
        return dict(
            connection.execute(
                "select table_name, row_count from operations.publish_tables where schema_name = ? order by all",
                [SCHEMA],
            ).fetchall()
        )


def schema_version(connection: duckdb.DuckDBPyConnection) -> str:
    """A short hash of all marts, columns and types: it changes when a reader might have to."""
    row = connection.execute(
        "select left(md5(string_agg(table_name || '.' || column_name || ' ' || data_type, ',' order by table_name,"
        f" column_index)), 12) from duckdb_columns() where database_name = 'candidate' and schema_name = '{SCHEMA}'"
    ).fetchone()
    return str(row[0]) if row else ""


def comment(connection: duckdb.DuckDBPyConnection, name: str, text: str, kind: str = "table") -> None:
    """Gives a table or column its description."""
    if text:
        connection.execute(f"comment on {kind} {name} is {state.literal(' '.join(text.split()))}")


def sha256(file: Path) -> str:
    """The SHA-256 of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def marts_of(manifest: Mapping[str, Any], chosen: Collection[str] = ()) -> list[Mart]:
    """The marts in dbt's manifest, or those chosen, by name. KeyError: there is no such mart."""
    found = {
        node["name"]: Mart(
            node["name"],
            node["description"],
            {name: column["description"] for name, column in node["columns"].items()},
        )
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["original_file_path"].startswith("models/marts/")
    }
    return [found[name] for name in sorted(chosen or found)]


_RECENT = f"""
    select build_id from remembered.operations.refresh_runs order by build_id desc limit {BUILDS_WITH_DETAILS}
"""
_TABLES_OF = "select table_name from duckdb_tables() where database_name = ? and schema_name = 'operations'"


@contextmanager
def _files(candidate: Path, *, read_only: bool = False, **others: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    try:
        connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")  # it would go to standard output
        options = "read_only" if read_only else f"storage_version {state.STORAGE!r}"
        connection.execute(f"attach {state.literal(candidate)} as candidate ({options})")
        for name, file in others.items():
            connection.execute(f"attach {state.literal(file)} as {name} (read_only)")
        yield connection
        connection.execute("use memory.main")
        for name in ("candidate", *others):
            connection.execute(f"detach {name}")  # also writes what is still in the log
    finally:
        connection.close()


def _insert_run(connection: duckdb.DuckDBPyConnection, run: state.Run) -> None:
    values = vars(run)
    connection.execute(
        f"insert into operations.refresh_runs ({', '.join(values)}) values ({', '.join('?' * len(values))})",
        list(values.values()),
    )


def _write_kpis(connection: duckdb.DuckDBPyConnection, run: state.Run, build: Build, *, remembered: bool) -> None:
    earlier = "select * from remembered.operations.reported_kpis union all by name " if remembered else ""
    if "mrr_monthly" in build.marts:
        connection.execute(
            f"create table operations.reported_kpis as {earlier}select ? as build_id,"
            f" cast(? as timestamp) as reported_at, cast(? as date) as as_of_date, * from {SCHEMA}.mrr_monthly",
            [run.build_id, run.finished_at, build.as_of_date],
        )
    elif remembered:
        connection.execute("create table operations.reported_kpis as from remembered.operations.reported_kpis")


def _tables(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    return connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = 'candidate' order by all"
    ).fetchall()


def _compare(connection: duckdb.DuckDBPyConnection, source: str, expected: Mapping[str, Any], where: str) -> None:
    found = connection.execute(f"select count(*), {CHECKSUM} from {source} as one").fetchone()
    if found != (expected["row_count"], expected["checksum"]):
        raise Unsound(f"{where} does not hold what was written to it; the disk may be full or broken.")


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    cursor = connection.execute(sql)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _row(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    (row,) = _rows(connection, sql)
    return row


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
