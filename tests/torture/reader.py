"""A reader who knows nothing of refreshes: polls what is published and writes down what it saw, one JSON line a poll.

Arguments: kind (duckdb, parquet, postgres, psql), where (the publish folder, or a connection string), the program psql.
Ends when its standard input does. Needs duckdb (of any version) or psycopg alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

# the same question everywhere: which build is this, which day do its tables tell, how many rows have they
ASKED = """
    select
        (select min(build_id) from {manifest}) as build,
        (select count(*) from {manifest}) as manifests,
        (select min(cast(mrr_end as integer)) - 1130 from {monthly}) as day_least,
        (select max(cast(mrr_end as integer)) - 1130 from {monthly}) as day_most,
        (select min(cast(mrr_end as integer)) - 1000 from {months} where account_id = 'marker') as marker_least,
        (select max(cast(mrr_end as integer)) - 1000 from {months} where account_id = 'marker') as marker_most,
        (select count(*) from {monthly}) as monthly_rows,
        (select count(*) from {months}) as months_rows
"""
TABLES = {"manifest": "operations.publish_manifest", "monthly": "mrr_monthly", "months": "account_months"}


def duckdb_poll(folder: str) -> dict[str, Any]:
    """A new connection, several queries, as a notebook would."""
    import duckdb

    with contextlib.closing(duckdb.connect(f"{folder}/marts.duckdb", read_only=True)) as connection:
        cursor = connection.execute(ASKED.format(**TABLES))
        seen = dict(zip([column[0] for column in cursor.description], cursor.fetchall()[0], strict=True))
        (listed,) = connection.execute(
            "select max(row_count) filter (where table_name = 'mrr_monthly'),"
            " max(row_count) filter (where table_name = 'account_months') from operations.publish_tables"
        ).fetchall()
        (again,) = connection.execute("select build_id from operations.publish_manifest").fetchall()
    if again[0] != seen["build"] or listed != (seen["monthly_rows"], seen["months_rows"]):
        raise AssertionError(f"mixed: {seen}, then {again} and {listed}")
    return seen


def parquet_poll(folder: str) -> dict[str, Any]:
    """The pointer is followed once, then everything is read from there."""
    import duckdb

    current = os.path.realpath(f"{folder}/parquet/current")
    manifest = json.loads(Path(current, "manifest.json").read_text(encoding="utf-8"))
    files = {"manifest": "publish_manifest", "monthly": "mrr_monthly", "months": "account_months"}
    with contextlib.closing(duckdb.connect()) as connection:
        sources = {name: f"read_parquet('{current}/{file}.parquet')" for name, file in files.items()}
        cursor = connection.execute(ASKED.format(**sources))
        seen = dict(zip([column[0] for column in cursor.description], cursor.fetchall()[0], strict=True))
    counts = {row["table_name"]: row["row_count"] for row in manifest["tables"]}
    listed = (counts["mrr_monthly"], counts["account_months"])
    if manifest["build_id"] != seen["build"] or listed != (seen["monthly_rows"], seen["months_rows"]):
        raise AssertionError(f"mixed: {seen}, manifest {manifest['build_id']} {listed}")
    return seen


SCHEMAS = {
    "manifest": "marts_operations.publish_manifest", "monthly": "marts.mrr_monthly", "months": "marts.account_months",
}  # fmt: skip


class PostgresReader:
    """One connection that stays, as a BI tool holds it."""

    def __init__(self, url: str) -> None:
        import psycopg

        self.connection = psycopg.connect(url, autocommit=True)

    def poll(self, _: str) -> dict[str, Any]:
        cursor = self.connection.execute(ASKED.format(**SCHEMAS))
        assert cursor.description is not None
        return dict(zip([column[0] for column in cursor.description], cursor.fetchall()[0], strict=True))


def psql_poll(url: str) -> dict[str, Any]:
    """A new psql each time."""
    sql = f"select row_to_json(seen) from ({ASKED.format(**SCHEMAS)}) as seen"
    command = [sys.argv[3], "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-At", "-c", sql, url]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode:
        raise RuntimeError(told.stderr)
    found: dict[str, Any] = json.loads(told.stdout)
    return found


kind, where = sys.argv[1:3]
poll = {
    "duckdb": lambda: duckdb_poll, "parquet": lambda: parquet_poll, "postgres": lambda: PostgresReader(where).poll,
    "psql": lambda: psql_poll,
}[kind]()  # fmt: skip
while not select.select([sys.stdin], [], [], 0.2)[0]:
    began = time.time()
    try:
        print(json.dumps({"began": began, **poll(where), "ended": time.time()}), flush=True)
    except Exception as error:
        print(json.dumps({"began": began, "error": f"{type(error).__name__}: {error}"}), flush=True)
