"""Spark, in an environment of its own: the demo builds with its data tests and every mart equals DuckDB's, the unit
tests pass, and input is read where it lies."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest
import small_marts
from project import ROOT, Warehouse, dbt
from spark_parity import differences

PYTHON = ROOT / ".cache" / "spark" / "bin" / "python"


# Of the few accounts, some have the rows that the demo refuses on purpose.
FEW = {"as_of_date": "2026-07-01", "quarantine_max_share": 1}
SUPPLIED = ["accounts", "fx_rates", "plans", "subscriptions"]
SMALL = "build --exclude-resource-type unit_test --indirect-selection buildable --select +mrr_monthly +churn_by_segment"
MISSING = {
    "no_file": (
        {"crm_source": "files", "crm_files": "{files}", "crm_entities": [*SUPPLIED, "orders"]},
        "/orders: no such file (.parquet, .csv or .json) and no such folder, but the var crm_entities names orders.",
    ),
    "not_parquet": (
        {"crm_source": "files", "crm_files": "{texts}"},
        "accounts.csv: Spark reads Parquet files in place, not .csv; write it as Parquet, or load it as a table",
    ),
    "no_table": (
        {"crm_source": "schema", "crm_schema": "raw_crm", "crm_entities": [*SUPPLIED, "orders"]},
        "raw_crm.orders: the table does not exist, but the var crm_entities names orders.",
    ),
}


class Runs:
    """What the commands on Spark have said and built, one after the other in one process."""

    def __init__(self, folder: Path, files: Path, output: str) -> None:
        self.folder = folder
        self.files = files
        self.said = {part.split("\n", 1)[0]: part for part in f"\n{output}".split("\n== ")}

    def succeeded(self, job: str) -> bool:
        return job in self.said and not (self.folder / job / "failed").exists()


def job(name: str, arguments: str, variables: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A command for spark_jobs.py; compiling a plan costs more than running it on so few rows."""
    given = {
        "name": name,
        "arguments": arguments.split(),
        "variables": variables or {},
        "schemas": [],
        "compiled": False,
    }
    return {**given, **more}


def run_jobs(folder: Path, jobs: list[dict[str, Any]], *, small: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs spark_jobs.py, whose results lie in the folder "built" of `folder` then."""
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    environment = {
        "BESTAND_SPARK_MASTER": "local[2]",
        "BESTAND_SPARK_SMALL": str(small).lower(),
        **os.environ,
        "BESTAND_SPARK_WAREHOUSE": str(folder / "warehouse"),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    return subprocess.run(
        [str(PYTHON), "tests/python/spark_jobs.py", str(folder / "jobs.json"), str(folder / "built")],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def small_input(folder: Path) -> Path:
    """Twelve accounts of the demo and what belongs to them as Parquet: text or typed, one file or two that differ."""
    folder.mkdir(parents=True)
    demo = ROOT / "seeds" / "demo"
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")

        def copy(query: str, entity: str, part: str = "") -> None:
            source = f"read_csv('{demo}/demo_{entity}.csv', all_varchar = {'true' if not part else 'false'})"
            target = folder / entity / f"{part}.parquet" if part else folder / f"{entity}.parquet"
            target.parent.mkdir(exist_ok=True)
            connection.execute(f"copy ({query.format(source)}) to '{target}' (format parquet)")

        ours = "account_id between 'A001' and 'A012'"
        copy(f"select * from {{}} where {ours}", "accounts")
        copy(f"select * from {{}} where {ours} and account_id < 'A007'", "subscriptions", "part-1")
        copy(f"select * exclude (is_trial) from {{}} where {ours} and account_id >= 'A007'", "subscriptions", "part-2")
        copy("select * from {}", "plans")
        copy("select * from {}", "fx_rates", "all")
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The demo with its data tests and unit tests, and small inputs, as Spark builds them."""
    assert PYTHON.exists(), "Spark is missing: make test-spark installs it (make .cache/spark/.installed)"
    folder = tmp_path_factory.mktemp("spark")
    files, texts, tables = small_input(folder / "files"), folder / "texts", folder / "tables"
    texts.mkdir()
    (texts / "accounts.csv").write_text("account_id\nA1\n", encoding="utf-8")
    tables.mkdir()
    with duckdb.connect() as connection:
        for entity in SUPPLIED:
            paths = [str(path) for path in files.rglob("*.parquet") if entity in (path.stem, path.parent.name)]
            connection.execute(
                f"copy (select * from read_parquet({paths}, union_by_name = true)) "
                f"to '{tables}/{entity}.parquet' (format parquet)"
            )
    jobs = [
        job("demo", "build --exclude-resource-type unit_test", schemas=["marts", "intermediate"]),
        job("unit_tests", "test --select test_type:unit", after="demo"),
        job("zone", "test --select portability_dates", {"reporting_time_zone": "Europe/Berlin"}, after="demo"),
        job("files", SMALL, {"crm_source": "files", "crm_files": str(files), **FEW}, schemas=["marts"]),
        job(
            "tables",
            SMALL,
            {"crm_source": "schema", "crm_schema": "raw_crm", **FEW},
            schemas=["marts"],
            tables={"raw_crm": str(tables)},
        ),
    ]
    raising = "select {{ raise_in_sql(\"'said by the engine'\") }} as nothing"
    jobs.append({**job("raises", "", after="demo"), "arguments": ["show", "--inline", raising]})
    for name, (variables, _) in MISSING.items():
        filled = json.loads(json.dumps(variables).replace("{files}", str(files)).replace("{texts}", str(texts)))
        jobs.append(job(name, "build --select stg_crm__inputs", {**filled, **FEW}))
    done = run_jobs(folder, jobs)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-5000:]
    return Runs(folder / "built", files, done.stdout + done.stderr)


@pytest.mark.slow
@pytest.mark.spark
def test_the_demo_builds_with_its_data_tests(runs: Runs) -> None:
    assert runs.succeeded("demo"), runs.said["demo"][-20000:]


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize("schema", ["marts", "intermediate"])
def test_spark_gives_the_same(demo: Warehouse, runs: Runs, schema: str) -> None:
    found = differences(demo.database, runs.folder / "demo", schema)
    # what a refresh brings up to date: on DuckDB all accounts in a whole build, elsewhere it is not asked for
    assert [text for text in found if not text.startswith("int_touched_")] == []


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize("name", ["unit_tests", "zone"])
def test_the_unit_tests_pass(runs: Runs, name: str) -> None:
    assert runs.succeeded(name), runs.said[name][-20000:]


@pytest.mark.slow
@pytest.mark.spark
def test_a_gate_stops_a_statement(runs: Runs) -> None:
    assert not runs.succeeded("raises")
    assert "said by the engine" in runs.said["raises"]


@pytest.fixture(scope="module")
def small(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """What DuckDB builds of the small input."""
    warehouse = dbt(
        tmp_path_factory.mktemp("small"), *SMALL.split(),
        variables={"crm_source": "files", "crm_files": str(runs.files), **FEW},
    )  # fmt: skip
    assert warehouse.success, warehouse.messages()
    return warehouse


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize("name", ["files", "tables"])
def test_input_that_lies_there(small: Warehouse, runs: Runs, name: str) -> None:
    assert runs.succeeded(name), runs.said[name][-20000:]
    assert small.value("select max(customers_end) from marts.mrr_monthly") > 5
    assert differences(small.database, runs.folder / name) == []


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize("name", list(MISSING))
def test_what_is_missing_is_named(runs: Runs, name: str) -> None:
    assert not runs.succeeded(name)
    expected = MISSING[name][1].replace("{files}", str(runs.files))
    assert expected in " ".join(runs.said[name].split())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("update marts.mrr_monthly set mrr_end = mrr_end + 0.0001 where not is_complete", "mrr_monthly: (1,) rows"),
        ("delete from marts.input_accounting where entity = 'orders'", "input_accounting: rows: "),
        ("update marts.churn_by_segment set nrr = nrr * (1 + 1e-8)", "churn_by_segment: nrr"),
        ("update marts.churn_by_segment set nrr = null where period_grain = 'quarter'", "churn_by_segment: nrr"),
        ("alter table marts.mrr_monthly drop column customers_end", "mrr_monthly: columns"),
        ("drop table marts.cohort_retention", "cohort_retention: Spark has not built it"),
    ],
)  # fmt: skip
def test_the_comparison_sees(change: str, said: str, tmp_path: Path) -> None:
    one, other = small_marts.write(tmp_path / "one.duckdb"), small_marts.write(tmp_path / "other.duckdb")
    with duckdb.connect(str(other)) as connection:
        connection.execute(change)
        tables = connection.execute("select table_name from information_schema.tables where table_schema = 'marts'")
        for (table,) in tables.fetchall():
            folder = tmp_path / "exported" / "marts" / table
            folder.mkdir(parents=True)
            connection.execute(f"copy marts.{table} to '{folder}/part.parquet' (format parquet)")
    found = differences(one, tmp_path / "exported")
    assert len(found) == 1
    assert said in found[0]
