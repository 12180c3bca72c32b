"""Fixtures that several test files share."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from dbt.cli.main import dbtRunnerResult
from project import ROOT, Warehouse, dbt

pytest.register_assert_rewrite("references")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that at the end of a run no process waits for another that has just begun one.

    xdist keeps this order with --no-loadscope-reorder alone.
    """
    longest = ["test_refresh_torture.py", "test_spark.py", "test_spark_references.py"]
    items.sort(key=lambda item: longest.index(item.path.name) if item.path.name in longest else len(longest))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The demo, built once a session, or the build in the folder that BESTAND_TEST_DEMO names (with its target)."""
    given = os.environ.get("BESTAND_TEST_DEMO")
    if given:
        folder = ROOT / given
        warehouse = Warehouse(folder / "bestand.duckdb", folder / "target", dbtRunnerResult(success=True))
        if not warehouse.database.exists():
            pytest.fail(f"BESTAND_TEST_DEMO is {given}, which holds no bestand.duckdb")
        return warehouse
    warehouse = dbt(tmp_path_factory.mktemp("demo"), "build", "--exclude-resource-type", "unit_test")
    assert warehouse.success, warehouse.messages()
    return warehouse


@pytest.fixture(scope="session")
def manifest(demo: Warehouse) -> dict[str, Any]:
    """What dbt knows of the project, with the SQL as it ran."""
    found: dict[str, Any] = json.loads(Path(demo.target / "manifest.json").read_text(encoding="utf-8"))
    return found
