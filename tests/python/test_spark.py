"""The demo on Spark, in an environment of its own: it builds with its data tests, and every mart equals DuckDB's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest
import small_marts
from project import ROOT, Warehouse
from spark_parity import differences

PYTHON = ROOT / ".cache" / "spark" / "bin" / "python"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in Spark's environment, with the warehouse in a folder."""
    environment = {
        "BESTAND_SPARK_MASTER": "local[2]",
        "BESTAND_SPARK_CODEGEN": "false",  # compiling a plan costs more than running it on so few rows
        **os.environ,
        "BESTAND_SPARK_WAREHOUSE": str(folder / "warehouse"),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    return subprocess.run(
        [str(PYTHON), *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def export(folder: Path, schemas: Sequence[str]) -> Path:
    """What Spark has built there, as Parquet."""
    exported = folder / "exported"
    done = run(folder, "tests/python/spark_export.py", str(exported), *schemas)
    assert done.returncode == 0, done.stdout + done.stderr
    return exported


@pytest.fixture(scope="module")
def spark_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo as Spark builds it, exported."""
    assert PYTHON.exists(), "Spark is missing: make test-spark installs it (make .cache/spark/.installed)"
    folder = tmp_path_factory.mktemp("spark")
    built = run(folder, "-m", "bestand.spark", "build", "--exclude-resource-type", "unit_test")
    assert built.returncode == 0, built.stdout[-20000:] + built.stderr[-5000:]
    return export(folder, ["marts", "intermediate"])


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize("schema", ["marts", "intermediate"])
def test_spark_gives_the_same(demo: Warehouse, spark_demo: Path, schema: str) -> None:
    assert differences(demo.database, spark_demo, schema) == []


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
