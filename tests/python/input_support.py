"""What the tests of the input layer share: builds of that layer alone, from one parse of the project."""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from project import ROOT, Warehouse, dbt, write_entity

AS_OF = "2025-07-01"
LAYER = "staging conformed input_accounting"


@cache
def _manifest() -> Manifest:
    parsed = dbt(Path(tempfile.mkdtemp()), "parse", variables={"crm_source": "files", "as_of_date": AS_OF})
    assert parsed.success, parsed.messages()
    return parsed.result.result


class InputProject:
    """Runs the input layer on given folders. The project is parsed once: vars that only say where the data are, or
    how they are judged, do not change what is parsed."""

    def __init__(self, work: Path) -> None:
        self.work = work

    def run(
        self, name: str, folder: Path | None, *, command: str = "build", select: str = LAYER, **variables: Any
    ) -> Warehouse:
        """One dbt command in the database `name`."""
        work = self.work / name
        work.mkdir(parents=True, exist_ok=True)
        given = {"crm_source": "files", "as_of_date": AS_OF, **variables}
        if folder is not None:
            given["crm_files"] = str(folder)
        before = os.environ.get("BESTAND_DATABASE")
        os.environ["BESTAND_DATABASE"] = str(work / "bestand.duckdb")
        try:
            result = dbtRunner(manifest=_manifest()).invoke(
                [
                    "--quiet",
                    "--no-use-colors",
                    *command.split(),
                    *(["--exclude-resource-type", "unit_test"] if command.startswith("build") else []),
                    "--select",
                    *select.split(),
                    # tests that need more than what is selected have nothing to look at
                    *("--indirect-selection", "buildable"),
                    *("--project-dir", str(ROOT), "--profiles-dir", str(ROOT / "profiles")),
                    *("--target-path", str(work / "target"), "--log-path", str(work / "logs")),
                    *("--vars", json.dumps({key: value for key, value in given.items() if value is not None})),
                ]
            )
        finally:
            DuckDBConnectionManager.close_all_connections()
            if before is None:
                os.environ.pop("BESTAND_DATABASE", None)
            else:
                os.environ["BESTAND_DATABASE"] = before
        return Warehouse(work / "bestand.duckdb", work / "target", result)


def write_rows(folder: Path, tables: dict[str, list[dict[str, Any]]]) -> Path:
    """Writes tables as CSV files; a column is written as soon as one row has it."""
    for entity, rows in tables.items():
        columns = list(dict.fromkeys(key for row in rows for key in row))
        write_entity(folder, entity, rows, columns)
    return folder
