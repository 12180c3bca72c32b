"""Compares marts that Spark has built, written as Parquet, with those of a DuckDB build, table by table.

Keys, counts, texts, dates and money agree exactly, doubles to a share that is named, fitted parameters less closely.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
from same_marts import FITTED, INEXACT, doubles_apart

TOLERANCE = "1e-9"
FITTED_TOLERANCE = "1e-6"
# Tables between the marts that hold fitted parameters, or what is scored with them.
OF_FITS = ("_fits", "_scores", "_clv", "_health_")


def differences(duckdb_build: Path, exported: Path, schema: str = "marts") -> list[str]:
    """What differs, one line per table with its first difference; empty when nothing does."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach '{duckdb_build}' as built (read_only)")
        tables = [
            name
            for (name,) in connection.execute(
                "select table_name from information_schema.tables where table_catalog = 'built' and table_schema = ? "
                "and table_type = 'BASE TABLE' order by table_name",
                [schema],
            ).fetchall()
        ]
        found = [] if tables else [f"there is no table in {schema}"]
        for table in tables:
            folder = exported / schema / table
            if not folder.is_dir():
                found.append(f"{table}: Spark has not built it")
                continue
            difference = _first_difference(connection, f"built.{schema}.{table}", f"{folder}/*.parquet", table)
            if difference:
                found.append(f"{table}: {difference}")
        return found


def _first_difference(connection: duckdb.DuckDBPyConnection, built: str, files: str, table: str) -> str | None:
    columns = {row[0]: row[1] for row in connection.execute(f"describe {built}").fetchall()}
    spark_columns = {row[0]: row[1] for row in connection.execute(f"describe from read_parquet('{files}')").fetchall()}
    if list(columns) != list(spark_columns):
        return f"columns {list(columns)} and {list(spark_columns)}"
    # Spark's timestamps are moments, its sums of whole numbers bigint: the value counts, not the width of the type
    casts = ", ".join(f'cast("{name}" as {kind}) as "{name}"' for name, kind in columns.items())
    spark = f"(select {casts} from read_parquet('{files}'))"
    for name, kind in columns.items():
        if (kind in INEXACT) != (spark_columns[name] in INEXACT):
            return f"{name} is {kind} and on Spark {spark_columns[name]}"
    exact = ", ".join(f'"{name}"' for name, kind in columns.items() if kind not in INEXACT)
    doubles = [name for name, kind in columns.items() if kind in INEXACT]
    counts = [connection.execute(f"select count(*) from {source}").fetchone() for source in (built, spark)]
    if counts[0] != counts[1]:
        return f"rows: {counts[0]} and {counts[1]}"
    for one, other, said in ((built, spark, "only in DuckDB"), (spark, built, "only in Spark")):
        rows = connection.execute(
            f"select {exact} from {one} except all select {exact} from {other} order by all limit 1"
        ).fetchall()
        if rows:
            number = connection.execute(
                f"select count(*) from (select {exact} from {one} except all select {exact} from {other})"
            ).fetchone()
            near = connection.execute(
                f"select {exact} from {other} except all select {exact} from {one} order by all limit 1"
            ).fetchall()
            return f"{number} rows {said}, first {rows[0]} beside {near}"
    is_fitted = table.startswith(FITTED) or any(part in table for part in OF_FITS)
    tolerance = FITTED_TOLERANCE if is_fitted else TOLERANCE
    order = ", ".join([exact, *(f'round("{name}", 6)' for name in doubles)])
    for name in doubles:
        apart = doubles_apart(connection, built, spark, order, f'"{name}"', tolerance, least="1e-3")
        if apart:
            return f"{name}: {apart}"
    return None


if __name__ == "__main__":
    for schema in sys.argv[3:] or ["marts"]:
        for line in differences(Path(sys.argv[1]), Path(sys.argv[2]), schema):
            print(line[:1200])
