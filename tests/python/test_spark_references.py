"""The references on Spark itself, so that both engines cannot be wrong alike: the worked examples, the months of
ChurnSim crm5 (and all its marts equal to DuckDB's) and the published fits of CDNOW."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import histories
import pytest
import spark_parity
import worked_examples
from bestand import examples
from dbt.cli.main import dbtRunnerResult
from project import Warehouse, build_files
from references import (
    CDNOW_AS_OF,
    CDNOW_VARIABLES,
    WORKED_MARTS,
    WORKED_VARIABLES,
    assert_cdnow_parameters,
    assert_crm5_months,
    needs_crm5,
    worked_differences,
)
from test_spark import PYTHON, job, run_jobs

pytestmark = [pytest.mark.slow, pytest.mark.spark]
BUILD = "build --exclude-resource-type unit_test test"


def supplied(folder: Path) -> dict[str, Any]:
    """The vars that say what lies in a folder of Parquet files."""
    entities = sorted(path.stem for path in folder.iterdir())
    return {"crm_source": "files", "crm_files": str(folder), "crm_entities": entities}


def as_parquet(folder: Path) -> Path:
    """The CSV files of a folder as Parquet files beside it, every value the text it was."""
    target = folder.with_name(f"{folder.name}_parquet")
    target.mkdir()
    with duckdb.connect() as connection:
        for path in sorted(folder.glob("*.csv")):
            connection.execute(
                f"copy (from read_csv('{path}', header = true, all_varchar = true)) to '{target / path.stem}.parquet'"
            )
    return target


def worked_job(name: str, folder: Path, found: list[worked_examples.Example], **more: Any) -> dict[str, Any]:
    files = as_parquet(histories.write(folder / name, worked_examples.inputs(found)))
    variables = {**supplied(files), "as_of_date": worked_examples.AS_OF.isoformat(), **WORKED_VARIABLES, **more}
    select = " ".join(f"+{mart}" for mart in WORKED_MARTS)
    return job(name, f"{BUILD} --select {select}", variables, schemas=["marts"])


def cdnow_job(folder: Path) -> dict[str, Any]:
    variables = examples.prepare("cdnow", folder / "cdnow")
    files = as_parquet(folder / "cdnow")
    variables = {**variables, **supplied(files), "as_of_date": CDNOW_AS_OF, **CDNOW_VARIABLES}
    return job("cdnow", f"{BUILD} --select +clv_model_fits", variables, schemas=["marts"])


def built(folder: Path, jobs: list[dict[str, Any]], *, small: bool) -> Path:
    """Runs the jobs in one session; what they build lies in <job>/<schema>/<table>."""
    assert PYTHON.exists(), "Spark is missing: make test-spark installs it (make .cache/spark/.installed)"
    done = run_jobs(folder, jobs, small=small)
    print(done.stdout[-20000:], done.stderr[-5000:])  # shown with a test that fails
    assert done.returncode == 0
    return folder / "built"


@pytest.fixture(scope="module")
def small_builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spark_references")
    jobs = [
        worked_job("worked", folder, worked_examples.EXAMPLES),
        worked_job("by_notice", folder, [worked_examples.W12_BY_NOTICE], churn_recognition="notice"),
        cdnow_job(folder),
    ]
    return built(folder, jobs, small=True)


@dataclass
class Crm5:
    """The contract files of crm5, the vars to build them with, and what Spark has built of them."""

    files: Path
    variables: dict[str, Any]
    builds: Path


@pytest.fixture(scope="module")
def crm5(tmp_path_factory: pytest.TempPathFactory) -> Crm5:
    """In a session of its own, which is set for its 8 million rows of usage."""
    folder = tmp_path_factory.mktemp("spark_crm5")
    variables = examples.prepare("churnsim_crm5", folder / "files")
    one = job("crm5", BUILD, {**variables, **supplied(folder / "files")}, schemas=["marts"], compiled=True)
    return Crm5(folder / "files", variables, built(folder, [one], small=False))


def warehouse_of(small_builds: Path, job: str) -> Warehouse:
    """What one job has built, in DuckDB to be asked."""
    folder = small_builds / job
    assert not (folder / "failed").exists(), f"{job} failed"
    database = folder / "read.duckdb"
    if not database.exists():
        with duckdb.connect(str(database)) as connection:
            for table in sorted(folder.glob("*/*")):
                connection.execute(f"create schema if not exists {table.parent.name}")
                connection.execute(
                    f"create table {table.parent.name}.{table.name} as from read_parquet('{table}/*.parquet')"
                )
    return Warehouse(database, folder, dbtRunnerResult(success=True))


@pytest.mark.parametrize("example", worked_examples.EXAMPLES, ids=lambda example: example.name)
def test_worked_example(example: worked_examples.Example, small_builds: Path) -> None:
    found = worked_differences(example, warehouse_of(small_builds, "worked"))
    assert not found, "\n".join(found)


def test_notice_dates_the_churn_of_w12_in_may(small_builds: Path) -> None:
    found = worked_differences(worked_examples.W12_BY_NOTICE, warehouse_of(small_builds, "by_notice"))
    assert not found, "\n".join(found)


def test_cdnow_parameters_are_the_published_ones(small_builds: Path) -> None:
    assert_cdnow_parameters(warehouse_of(small_builds, "cdnow"))


@needs_crm5
def test_crm5_months_equal_the_published_queries(crm5: Crm5) -> None:
    assert_crm5_months(warehouse_of(crm5.builds, "crm5"))


@needs_crm5
def test_crm5_marts_equal_those_of_duckdb(crm5: Crm5, tmp_path: Path) -> None:
    assert not (crm5.builds / "crm5" / "failed").exists()
    variables = {key: value for key, value in crm5.variables.items() if key not in ("crm_source", "crm_files")}
    warehouse = build_files(
        tmp_path, crm5.files, variables.pop("as_of_date"), exclude="resource_type:test", **variables
    )
    assert warehouse.success, warehouse.messages()
    assert spark_parity.differences(warehouse.database, crm5.builds / "crm5") == []
