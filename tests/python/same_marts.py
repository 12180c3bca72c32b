"""Compares the marts of two builds: doubles to 1e-12 (a parallel sum is not bit-stable), what hangs on fits to 1e-9,
everything else exactly."""

from __future__ import annotations

from pathlib import Path

import duckdb

TOLERANCE = "1e-12"
# What hangs on fitted parameters: those agree to 1e-9, as the sums they are fitted to differ in the last bits.
FITTED_TOLERANCE = "1e-9"
FITTED = (
    "account_clv", "clv_", "churn_cost", "retention_cost", "retention_what_if",
    "account_health", "health_", "alerts", "zombie_accounts",
)  # fmt: skip
INEXACT = ("DOUBLE", "FLOAT")


def differences(one: Path, other: Path, schema: str = "marts") -> list[str]:
    """What differs between the tables of a schema in two databases; empty when nothing does."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{one}' as one (read_only)")
        connection.execute(f"attach '{other}' as other (read_only)")
        tables = {name: _tables(connection, name, schema) for name in ("one", "other")}
        alone = sorted(tables["one"].keys() ^ tables["other"].keys())
        found = [f"{table} is in one of the two only" for table in alone]
        for table in sorted(tables["one"].keys() & tables["other"].keys()):
            columns = tables["one"][table]
            if columns != tables["other"][table]:
                found.append(f"{table}: columns or types differ: {columns} and {tables['other'][table]}")
            else:
                tolerance = FITTED_TOLERANCE if table.startswith(FITTED) else TOLERANCE
                found += _rows(connection, f'"{schema}"."{table}"', columns, tolerance)
        if not tables["one"]:
            found.append(f"there is no table in {schema}")
        return found


def _tables(connection: duckdb.DuckDBPyConnection, database: str, schema: str) -> dict[str, dict[str, str]]:
    rows = connection.execute(
        "select table_name, column_name, data_type from information_schema.columns "
        "where table_catalog = ? and table_schema = ? order by table_name, ordinal_position",
        [database, schema],
    ).fetchall()
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in rows:
        tables.setdefault(table, {})[column] = kind
    return tables


def _rows(connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str], tolerance: str) -> list[str]:
    exact = ", ".join(f'"{name}"' for name, kind in columns.items() if kind not in INEXACT)
    doubles = [f'"{name}"' for name, kind in columns.items() if kind in INEXACT]
    found = []
    for left, right in (("one", "other"), ("other", "one")):
        missing = connection.execute(
            f"select * from (select {exact} from {left}.{table} except all select {exact} from {right}.{table}) limit 3"
        ).fetchall()
        if missing:
            found.append(f"{table}: rows of {left} that {right} does not have, e.g. {missing}")
    if found or not doubles:
        return found
    order = ", ".join([exact, *doubles])
    for column in doubles:
        apart = doubles_apart(connection, f"one.{table}", f"other.{table}", order, column, tolerance)
        if apart:
            found.append(f"{table}.{column}: {apart}")
    return found


def doubles_apart(
    connection: duckdb.DuckDBPyConnection,
    one: str,
    other: str,
    order: str,
    column: str,
    tolerance: str,
    least: str = "0",
) -> list[tuple[object, ...]]:
    """The first pairs of doubles that differ by more than a share of the larger one (or of `least`, if larger).

    Rows are paired by their place in an order by the columns that agree.
    """
    numbered = f"select row_number() over (order by {order}) as place, {column} from {{}}"
    a, b = f"a.{column}", f"b.{column}"
    return connection.execute(
        f"select {a}, {b} from ({numbered.format(one)}) as a join ({numbered.format(other)}) as b using (place) "
        f"where {a} is distinct from {b} "
        f"and coalesce(abs({a} - {b}) > {tolerance} * greatest(abs({a}), abs({b}), {least}), true) limit 3"
    ).fetchall()
