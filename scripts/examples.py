"""The examples on real data: each turns a public data set into contract files by the SQL in examples/<name>/.

Every `examples/<name>/<entity>.sql` is one DuckDB query that gives one entity of the input contract. It reads the
source's folder from the variable `source` and the example's as-of date from `as_of_date`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples"
SHARED_DATA = ROOT.parent / "shared" / "data"


class ExampleError(Exception):
    """An example that cannot be prepared; the message says what is missing."""


@dataclass(frozen=True)
class Example:
    """A public data set and the vars its build needs beside the place of its contract files."""

    name: str
    title: str
    as_of_date: str
    source_files: tuple[str, ...]
    file_format: str
    variables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def queries(self) -> dict[str, Path]:
        """The query of each entity, by the entity's name."""
        return {path.stem: path for path in sorted((FOLDER / self.name).glob("*.sql"))}


EXAMPLES = {
    example.name: example
    for example in (
        Example(
            name="churnsim_crm5",
            title="ChurnSim crm5: 643 simulated business customers of a CRM product, with 8.4 million usage totals",
            as_of_date="2024-01-01",
            source_files=("account.parquet", "subscription.parquet", "event_daily.parquet", "event_type.parquet"),
            file_format="parquet",
            variables={"reporting_currency": "USD"},
        ),
        Example(
            name="churnsim_socialnet7",
            title="ChurnSim socialnet7: 2,442 simulated private customers whose churn follows behaviour",
            as_of_date="2020-12-01",
            source_files=("account.parquet", "subscription.parquet", "event_daily.parquet", "event_type.parquet"),
            file_format="parquet",
            # the terms of its published reference: who is lost within 30 days of the first of a month
            variables={
                "reporting_currency": "USD",
                "churn_lead_days": 0,
                "churn_horizon_days": 30,
                "health_refit_months": 1,
            },
        ),
        Example(
            name="telco",
            title="IBM Telco: 7,043 customers of a telephone and internet provider, for survival by contract length",
            as_of_date="2026-01-01",
            source_files=("Telco-Customer-Churn.csv",),
            file_format="csv",
            variables={"reporting_currency": "USD", "revenue_band_limits": [30, 60, 90]},
        ),
        Example(
            name="cdnow",
            title="CDNOW: 2,357 buyers of compact discs, customers without a contract",
            as_of_date="1997-10-01",
            source_files=("CDNOW_sample.txt",),
            file_format="csv",
            variables={"reporting_currency": "USD"},
        ),
    )
}


def prepare(name: str, folder: Path | str, source: Path | str | None = None) -> dict[str, Any]:
    """Writes the example's contract files into `folder` and gives the vars to build them with.

    `source` is the folder of the original data where it is not in its usual place. The folder may hold nothing but an
    earlier run of the same example: a build reads every entity it finds there.
    """
    example = _example(name)
    origin = find_source(name, source)
    folder = Path(folder).resolve()
    files = {entity: folder / f"{entity}.{example.file_format}" for entity in example.queries}
    folder.mkdir(parents=True, exist_ok=True)
    others = sorted(path.name for path in folder.iterdir() if path not in files.values())
    if others:
        raise ExampleError(f"{folder} holds {', '.join(others[:3])}: give the example {name} a folder of its own.")
    options = "format parquet, compression zstd" if example.file_format == "parquet" else "format csv, header true"
    with duckdb.connect() as connection:
        connection.execute("set variable source = ?", [str(origin)])
        connection.execute("set variable as_of_date = ?", [example.as_of_date])
        for entity, query in example.queries.items():
            target = str(files[entity]).replace("'", "''")
            connection.execute(f"copy (\n{query.read_text(encoding='utf-8')}\n) to '{target}' ({options})")
    return build_variables(name, folder)


def build_variables(name: str, folder: Path | str) -> dict[str, Any]:
    """The vars of a build of the example whose contract files lie in `folder`."""
    example = _example(name)
    return {
        "crm_source": "files",
        "crm_files": str(folder),
        "as_of_date": example.as_of_date,
        **example.variables,
    }


def find_source(name: str, source: Path | str | None = None) -> Path:
    """The folder of the example's original data; an error that says where it was looked for when a file is missing."""
    example = _example(name)
    folder = Path(source) if source is not None else _usual_source(name)
    missing = [file for file in example.source_files if not (folder / file).is_file()]
    if missing:
        raise ExampleError(
            f"The example {name} needs {', '.join(missing)} in {folder}: examples/{name}/README.md says where from."
        )
    return folder.resolve()


def _example(name: str) -> Example:
    if name not in EXAMPLES:
        raise ExampleError(f"There is no example '{name}'; there are {', '.join(EXAMPLES)}.")
    return EXAMPLES[name]


def _usual_source(name: str) -> Path:
    if name == "cdnow":
        return _cdnow_of_lifetimes()
    return FOLDER / name if name == "telco" else SHARED_DATA / name


def _cdnow_of_lifetimes() -> Path:
    """The data folder of the package lifetimes, found without importing it: it does not import on every numpy."""
    package = importlib.util.find_spec("lifetimes")
    if package is None or not package.submodule_search_locations:
        raise ExampleError(
            "The example cdnow reads its data out of the package lifetimes, which is not installed: "
            "`pip install lifetimes`, or give the folder that holds CDNOW_sample.txt."
        )
    return Path(package.submodule_search_locations[0]) / "datasets"
