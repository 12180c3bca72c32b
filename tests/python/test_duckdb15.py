"""The demo on the older DuckDB that the project supports: the same marts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import small_marts
from project import ROOT, Warehouse
from same_marts import differences

VERSION = "1.5.5"
FOLDER = ROOT / ".cache" / "duckdb-1.5"


@pytest.mark.slow
@pytest.mark.duckdb15
def test_duckdb_15_gives_the_same_marts(demo: Warehouse, tmp_path: Path) -> None:
    assert FOLDER.is_dir(), "DuckDB 1.5 is missing: make test installs it (make .cache/duckdb-1.5/.installed)"
    database = tmp_path / "bestand.duckdb"
    environment = {
        **os.environ,
        "PYTHONPATH": str(FOLDER),
        "BESTAND_DATABASE": str(database),
        "DBT_TARGET_PATH": str(tmp_path / "target"),
        "DBT_LOG_PATH": str(tmp_path / "logs"),
    }
    program = (
        f"import duckdb; assert duckdb.__version__ == '{VERSION}', duckdb.__version__; "
        "from bestand.cli import app; app()"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, "build"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert differences(demo.database, database) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("update marts.mrr_monthly set mrr_end = mrr_end + 0.0001 where not is_complete", "mrr_monthly: rows of one"),
        ("delete from marts.input_accounting where entity = 'orders'", "input_accounting: rows of one"),
        ("insert into marts.input_accounting select * from marts.input_accounting", "input_accounting: rows of other"),
        ("update marts.churn_by_segment set nrr = nrr * (1 + 1e-11)", "churn_by_segment.nrr"),
        ("update marts.churn_by_segment set nrr = null where period_grain = 'quarter'", "churn_by_segment.nrr"),
        ("alter table marts.mrr_monthly alter customers_end type bigint", "columns or types differ"),
        ("drop table marts.cohort_retention", "cohort_retention is in one of the two only"),
    ],
)  # fmt: skip
def test_the_comparison_sees(change: str, said: str, tmp_path: Path) -> None:
    one, other = small_marts.write(tmp_path / "one.duckdb"), small_marts.write(tmp_path / "other.duckdb")
    assert differences(one, other) == []
    with duckdb.connect(str(other)) as connection:
        connection.execute(change)
    found = differences(one, other)
    assert found
    assert said in " ".join(found).replace('"', "")


def test_the_comparison_forgives_the_last_bits(tmp_path: Path) -> None:
    one, other = small_marts.write(tmp_path / "one.duckdb"), small_marts.write(tmp_path / "other.duckdb")
    with duckdb.connect(str(other)) as connection:
        connection.execute("update marts.churn_by_segment set nrr = nrr * (1 + 4e-16)")
    assert differences(one, other) == []
