"""The references on Spark itself, so that both engines cannot be wrong alike: the worked examples, the months of
ChurnSim crm5 (and all its marts equal to DuckDB's) and the published fits of CDNOW, built in one Spark session."""

from __future__ import annotations

import json
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
    CRM5,
    WORKED_MARTS,
    WORKED_VARIABLES,
    assert_cdnow_parameters,
    assert_crm5_months,
    needs_crm5,
    worked_differences,
)
from test_spark import PYTHON, run

pytestmark = [pytest.mark.slow, pytest.mark.spark]
BUILD = ["build", "--exclude-resource-type", "unit_test", "test"]


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


def worked_job(name: str, folder: Path, found: list[worked_examples.Example], **variables: Any) -> dict[str, Any]:
    files = as_parquet(histories.write(folder / name, worked_examples.inputs(found)))
    return {
        "name": name,
        "arguments": [*BUILD, "--select", *(f"+{mart}" for mart in WORKED_MARTS)],
        "variables": {
            **supplied(files),
            "as_of_date": worked_examples.AS_OF.isoformat(),
            **WORKED_VARIABLES,
            **variables,
        },
        "schemas": ["marts"],
        "compiled": False,
    }


def cdnow_job(folder: Path) -> dict[str, Any]:
    variables = examples.prepare("cdnow", folder / "cdnow")
    files = as_parquet(folder / "cdnow")
    return {
        "name": "cdnow",
        "arguments": [*BUILD, "--select", "+clv_model_fits"],
        "variables": {**variables, **supplied(files), "as_of_date": CDNOW_AS_OF, **CDNOW_VARIABLES},
        "schemas": ["marts"],
        "compiled": False,
    }


def crm5_job(folder: Path) -> dict[str, Any]:
    variables = examples.prepare("churnsim_crm5", folder / "crm5")
    return {
        "name": "crm5",
        "arguments": BUILD,
        "variables": {**variables, **supplied(folder / "crm5")},
        "schemas": ["marts"],
        "compiled": True,  # 8 million rows of usage
    }


@pytest.fixture(scope="module")
def spark_builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Spark has built, <job>/<schema>/<table>."""
    assert PYTHON.exists(), "Spark is missing: make test-spark installs it (make .cache/spark/.installed)"
    folder = tmp_path_factory.mktemp("spark_references")
    jobs = [
        worked_job("worked", folder, worked_examples.EXAMPLES),
        worked_job("by_notice", folder, [worked_examples.W12_BY_NOTICE], churn_recognition="notice"),
        cdnow_job(folder),
        *([crm5_job(folder)] if CRM5.is_dir() else []),
    ]
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    done = run(folder, "tests/python/spark_jobs.py", str(folder / "jobs.json"), str(folder / "built"))
    print(done.stdout[-20000:], done.stderr[-5000:])  # shown with a test that fails
    assert done.returncode == 0
    return folder / "built"


def warehouse_of(spark_builds: Path, job: str) -> Warehouse:
    """What one job has built, in DuckDB to be asked."""
    folder = spark_builds / job
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
def test_worked_example(example: worked_examples.Example, spark_builds: Path) -> None:
    found = worked_differences(example, warehouse_of(spark_builds, "worked"))
    assert not found, "\n".join(found)


def test_notice_dates_the_churn_of_w12_in_may(spark_builds: Path) -> None:
    found = worked_differences(worked_examples.W12_BY_NOTICE, warehouse_of(spark_builds, "by_notice"))
    assert not found, "\n".join(found)


def test_cdnow_parameters_are_the_published_ones(spark_builds: Path) -> None:
    assert_cdnow_parameters(warehouse_of(spark_builds, "cdnow"))


@needs_crm5
def test_crm5_months_equal_the_published_queries(spark_builds: Path) -> None:
    assert_crm5_months(warehouse_of(spark_builds, "crm5"))


@needs_crm5
def test_crm5_marts_equal_those_of_duckdb(spark_builds: Path, tmp_path: Path) -> None:
    assert not (spark_builds / "crm5" / "failed").exists()
    variables = examples.prepare("churnsim_crm5", tmp_path / "files")
    built = build_files(
        tmp_path / "work",
        tmp_path / "files",
        variables.pop("as_of_date"),
        exclude="resource_type:test",
        **{key: value for key, value in variables.items() if key not in ("crm_source", "crm_files")},
    )
    assert built.success, built.messages()
    assert spark_parity.differences(built.database, spark_builds / "crm5") == []
