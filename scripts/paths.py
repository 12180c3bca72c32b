"""Where the project, its database and dbt's artefacts lie."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def database() -> Path:
    """The DuckDB file of a build: BESTAND_DATABASE, read from the project root when relative."""
    return ROOT / os.environ.get("BESTAND_DATABASE", "bestand.duckdb")


def target() -> Path:
    """The folder dbt writes its artefacts to: DBT_TARGET_PATH, read from the project root when relative."""
    return ROOT / os.environ.get("DBT_TARGET_PATH", "target")


def logs() -> Path:
    """The folder dbt writes its log to: DBT_LOG_PATH, read from the project root when relative."""
    return ROOT / os.environ.get("DBT_LOG_PATH", "logs")
