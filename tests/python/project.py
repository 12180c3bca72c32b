"""Runs the dbt project in-process on given input, for tests: start-up is paid once per process, not once per case."""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult

ROOT = Path(__file__).resolve().parents[2]
SHARED_DATA = ROOT.parent / "shared" / "data"


@dataclass
class Warehouse:
    """The DuckDB file a build has made, and what dbt said of the build."""

    database: Path
    target: Path
    result: dbtRunnerResult

    @property
    def success(self) -> bool:
        return self.result.success

    def rows(self, sql: str, parameters: Sequence[Any] | None = None) -> list[dict[str, Any]]:
        """The rows a query gives, as dictionaries."""
        with self.connect() as connection:
            cursor = connection.execute(sql, parameters or [])
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def value(self, sql: str, parameters: Sequence[Any] | None = None) -> Any:
        """The single value a query gives."""
        (row,) = self.rows(sql, parameters)
        (value,) = row.values()
        return value

    @contextmanager
    def connect(self) -> Iterable[duckdb.DuckDBPyConnection]:
        connection = duckdb.connect(str(self.database), read_only=True)
        try:
            connection.execute("set TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()

    def messages(self) -> str:
        """Every message of nodes that did not succeed, and the exception that ended the run, if any."""
        found = [str(self.result.exception)] if self.result.exception else []
        for node in getattr(self.result.result, "results", None) or []:
            if str(node.status) not in ("success", "pass", "skipped", "no-op"):
                found.append(f"{node.node.unique_id}: {node.status}: {node.message}")
        return "\n".join(found)


def write_entity(
    folder: Path, entity: str, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None
) -> Path:
    """Writes rows as <folder>/<entity>.csv; the columns are those of the first row unless given."""
    rows = list(rows)
    columns = list(columns or rows[0].keys())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{entity}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="raise")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: _text(value) for key, value in row.items()})
    return path


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat(" ") if isinstance(value, dt.datetime) else value


def dbt(
    work: Path, *arguments: str, variables: Mapping[str, Any] | None = None, database: Path | None = None
) -> Warehouse:
    """Runs one dbt command in-process with its own database, target and log folder under `work`."""
    work.mkdir(parents=True, exist_ok=True)
    database = database or work / "bestand.duckdb"
    command = [
        *arguments,
        "--project-dir", str(ROOT),
        "--profiles-dir", str(ROOT / "profiles"),
        "--target-path", str(work / "target"),
        "--log-path", str(work / "logs"),
        "--vars", json.dumps(dict(variables or {}), default=str),
    ]  # fmt: skip
    before = os.environ.get("BESTAND_DATABASE")
    os.environ["BESTAND_DATABASE"] = str(database)
    try:
        result = dbtRunner().invoke(["--quiet", "--no-use-colors", *command])
    finally:
        DuckDBConnectionManager.close_all_connections()
        if before is None:
            os.environ.pop("BESTAND_DATABASE", None)
        else:
            os.environ["BESTAND_DATABASE"] = before
    return Warehouse(database, work / "target", result)


def build_files(
    work: Path,
    files: Path,
    as_of: str,
    *,
    command: str = "build",
    select: str | None = None,
    exclude: str | None = None,
    unit_tests: bool = False,
    **variables: Any,
) -> Warehouse:
    """Builds the project on a folder of contract files; without unit tests unless asked for, as they do not read it."""
    arguments = [command]
    if command == "build" and not unit_tests:
        arguments += ["--exclude-resource-type", "unit_test"]
    if select:
        # tests that need more than what is selected have nothing to look at
        arguments += ["--select", *select.split(), "--indirect-selection", "buildable"]
    if exclude:
        arguments += ["--exclude", *exclude.split()]
    return dbt(
        work,
        *arguments,
        variables={"crm_source": "files", "crm_files": str(files), "as_of_date": as_of, **variables},
    )
