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


# Vars that say where the data are, of which day, or how many of them may be wrong, do not change what is parsed.
NOT_PARSED = {"as_of_date", "crm_files", "crm_held_files", "quarantine_max_share"}
_manifests: dict[str, Any] = {}


def dbt(
    work: Path,
    *arguments: str,
    variables: Mapping[str, Any] | None = None,
    database: Path | None = None,
    parsed_with: Mapping[str, Any] | None = None,
    parse_anew: bool = False,
) -> Warehouse:
    """Runs one dbt command in-process with its own database, target and log folder under `work`.

    The project is parsed once per process and set of vars, as that takes longer than most of these builds:
    `parsed_with` names other vars to parse it with, `parse_anew` has dbt do it itself.
    """
    work.mkdir(parents=True, exist_ok=True)
    database = database or work / "bestand.duckdb"
    places = [
        "--project-dir", str(ROOT),
        "--profiles-dir", str(ROOT / "profiles"),
        "--target-path", str(work / "target"),
        "--log-path", str(work / "logs"),
    ]  # fmt: skip

    def given(values: Mapping[str, Any]) -> list[str]:
        return ["--vars", json.dumps(dict(values), default=str)]

    variables = variables or {}
    before = os.environ.get("BESTAND_DATABASE")
    os.environ["BESTAND_DATABASE"] = str(database)
    try:
        manifest = None
        if not parse_anew and arguments[0] != "parse":
            parsed = variables if parsed_with is None else parsed_with
            key = given({name: parsed[name] for name in sorted(parsed) if name not in NOT_PARSED})[1]
            if key not in _manifests:
                result = dbtRunner().invoke(["--quiet", "--no-use-colors", "parse", *places, *given(parsed)])
                if not result.success:
                    return Warehouse(database, work / "target", result)
                _manifests[key] = result.result
            manifest = _manifests[key]
        result = dbtRunner(manifest=manifest).invoke(
            ["--quiet", "--no-use-colors", *arguments, *places, *given(variables)]
        )
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
    parsed_with: Mapping[str, Any] | None = None,
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
        parsed_with=parsed_with,
    )
