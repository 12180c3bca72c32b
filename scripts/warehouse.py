"""Read-only access to the DuckDB file that a build has made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb


class NoMarts(Exception):
    """The database or the marts asked for are not there; the message says what to do."""


@contextmanager
def connect(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Opens the database for reading; says in one sentence why that cannot be done."""
    if not database.exists():
        raise NoMarts(f"There is no database {database}: build it first (make build, or bestand build).")
    try:
        connection = duckdb.connect(str(database), read_only=True)
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise NoMarts(f"Another process has {database} open for writing; try again when it is done.") from error
        raise NoMarts(f"{database} cannot be opened: {str(error).splitlines()[0]}") from error
    try:
        connection.execute("set TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def rows(connection: duckdb.DuckDBPyConnection, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    """The rows a query gives, as dictionaries."""
    try:
        cursor = connection.execute(sql, list(parameters))
    except duckdb.CatalogException as error:
        raise NoMarts(
            f"The database does not hold the marts needed here ({str(error).splitlines()[0]}): build them first."
        ) from error
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
