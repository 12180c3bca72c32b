"""The CRM read in place from a live PostgreSQL (DuckDB 1.5.5 with its extension): the same marts, and no password."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from bestand import postgres_source
from bestand.generate import read_contract
from dbt_common.exceptions import DbtRuntimeError
from postgres_server import Postgres, postgres  # noqa: F401
from project import ROOT, Warehouse
from psycopg import sql
from same_marts import differences
from test_duckdb15 import FOLDER, VERSION

AS_OF = "2026-07-01"
PASSWORD = "pl4nted/p4ss wörd"
ENCODED = "pl4nted%2Fp4ss%20w%C3%B6rd"
TYPES = {
    "date": ["date"],
    "timestamp": ["timestamp", "timestamptz"],  # in turn
    "decimal": ["numeric(18,4)"],
    "rate": ["numeric(18,8)"],
    "integer": ["integer"],
    "boolean": ["boolean"],
}
COMMON = {"recorded_at": "timestamp", "is_deleted": "boolean", "source_system": "text"}


@dataclass
class Crm:
    """A database with a CRM in its schema `crm`, and how a reader with a password reaches it."""

    server: Postgres
    database: str
    user: str
    types: dict[str, int]

    @property
    def source(self) -> str:
        return f"postgresql://{self.user}:{ENCODED}@/{self.database}?host={self.server.data}"


@pytest.fixture(scope="module")
def crm(postgres: Postgres) -> Crm:  # noqa: F811
    """The demo's files as tables; a column has the contract's type where all its values have, and is text elsewhere."""
    database, user = postgres.database(), postgres.user(PASSWORD)
    types: dict[str, int] = {}
    contract = read_contract(ROOT)
    with postgres.connect(database) as connection:
        connection.execute("create schema crm; set search_path to crm; set timezone to 'UTC'")
        for entity, spec in contract.items():
            columns = {**{name: column["type"] for name, column in spec["columns"].items()}, **COMMON}
            load(connection, entity, columns, types)
        connection.execute(
            "do $$ begin execute 'create type model as enum (' || (select string_agg(distinct "
            "quote_literal(business_model), ', ') from accounts) || ')'; end $$"
        )
        connection.execute("alter table accounts alter business_model type model using business_model::model")
        connection.execute(f"grant usage on schema crm to {user}; grant select on all tables in schema crm to {user}")
    return Crm(postgres, database, user, types)


def load(connection: psycopg.Connection, entity: str, columns: dict[str, str], types: dict[str, int]) -> None:
    with (ROOT / "seeds" / "demo" / f"demo_{entity}.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    table = sql.Identifier(entity)
    texts = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in header)
    connection.execute(sql.SQL("create table {} ({})").format(table, texts))
    with connection.cursor().copy(sql.SQL("copy {} from stdin").format(table)) as copy:
        for row in rows:
            copy.write_row([value if value != "" else None for value in row])
    for name in header:
        choices = TYPES.get(columns[name], ["text"])
        kind = choices[sum(types.get(choice, 0) for choice in choices) % len(choices)]
        if kind != "text" and fits(connection, entity, name, kind):
            connection.execute(
                sql.SQL("alter table {} alter {} type {} using {}::{}").format(
                    table, sql.Identifier(name), sql.SQL(kind), sql.Identifier(name), sql.SQL(kind)
                )
            )
            types[kind] = types.get(kind, 0) + 1


def fits(connection: psycopg.Connection, entity: str, name: str, kind: str) -> bool:
    """Whether a column's values mean in that type what they mean as text; PostgreSQL reads more than the contract."""
    shapes = {
        "date": r"\d{4}-\d\d-\d\d",
        "timestamp": r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?",
        "timestamptz": r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?([+-]\d\d(:\d\d)?|Z)?",
        "numeric(18,4)": r"-?\d+(\.\d{1,4})?",
        "numeric(18,8)": r"-?\d+(\.\d{1,8})?",
        "integer": r"-?\d+",
        "boolean": "true|false",
    }
    query = sql.SQL("select bool_and({column} ~ %s and pg_input_is_valid({column}, %s)) from {table}")
    found = connection.execute(
        query.format(column=sql.Identifier(name), table=sql.Identifier(entity)), [f"^({shapes[kind]})$", kind]
    ).fetchone()
    return found == (True,)


def bestand(work: Path, source: str | None, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line with DuckDB 1.5.5 in front."""
    assert FOLDER.is_dir(), "DuckDB 1.5 is missing: make test installs it (make .cache/duckdb-1.5/.installed)"
    settings = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(FOLDER), os.environ.get("PYTHONPATH", "")]),
        "BESTAND_DATABASE": str(work / "bestand.duckdb"),
        "DBT_TARGET_PATH": str(work / "target"),
        "DBT_LOG_PATH": str(work / "logs"),
        **({"BESTAND_SOURCE_POSTGRES": source} if source else {}),
        **environment,
    }
    program = (
        f"import duckdb; assert duckdb.__version__ == '{VERSION}', duckdb.__version__; "
        "from bestand.cli import app; app()"
    )
    command = [sys.executable, "-c", program, "build", "--verbose", "--target", "duckdb_postgres", "--source", "schema"]
    return subprocess.run([*command, *arguments], cwd=ROOT, env=settings, capture_output=True, text=True, check=False)


def traces(folder: Path, run: subprocess.CompletedProcess[str], *secrets: str) -> list[str]:
    """Where a secret is to be read: in any file under the folder, or in what was printed."""
    texts = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    texts["printed"] = (run.stdout + run.stderr).encode()
    return sorted(name for name, text in texts.items() if any(secret.encode() in text for secret in secrets))


class Writer(threading.Thread):
    """A CRM at work: it changes another table all the time, and adds rows that the as-of date does not know yet."""

    def __init__(self, crm: Crm) -> None:
        super().__init__()
        self.crm, self.stopped, self.writes, self.connections, self.wrong = crm, threading.Event(), 0, 0, ""

    def run(self) -> None:
        others = "select count(*) from pg_stat_activity where application_name = 'bestand'"
        try:
            with self.crm.server.connect(self.crm.database) as connection:
                connection.execute("create table crm.audit_log (n integer, note text)")
                while not self.stopped.wait(0.05):
                    self.writes += 1
                    connection.execute("insert into crm.audit_log values (%s, 'x')", [self.writes])
                    connection.execute("update crm.audit_log set note = note || 'x' where n > %s", [self.writes - 20])
                    connection.execute(
                        "insert into crm.orders (order_id, account_id, ordered_at, amount, currency, recorded_at) "
                        "select 'live ' || %s, account_id, '2026-12-01', 1, 'EUR', '2026-12-01' "
                        "from crm.accounts where account_id is not null order by account_id limit 1",
                        [self.writes],
                    )
                    found = connection.execute(others).fetchone()
                    self.connections = max(self.connections, found[0] if found else 0)
        except Exception as error:
            self.wrong = repr(error)


@pytest.mark.slow
@pytest.mark.duckdb15
def test_a_live_postgres_gives_the_same_marts(demo: Warehouse, crm: Crm, tmp_path: Path) -> None:
    assert set(crm.types) == {kind for kinds in TYPES.values() for kind in kinds}, "every type occurs"
    writer = Writer(crm)
    writer.start()
    try:
        run = bestand(tmp_path, crm.source, "--as-of", AS_OF, "--vars", "{crm_schema: crm_db.crm}")
    finally:
        writer.stopped.set()
        writer.join(10)
    assert run.returncode == 0, run.stdout + run.stderr
    assert writer.wrong == ""
    assert writer.writes > 100
    assert 1 <= writer.connections <= 8  # 4 threads, and large tables are read in parts
    # the rows that came in while it was read are counted, and change nothing else
    found = [line for line in differences(demo.database, tmp_path / "bestand.duckdb") if "input_accounting" not in line]
    assert found == []
    assert traces(tmp_path, run, PASSWORD, ENCODED) == []
    with crm.server.connect(crm.database) as connection:
        left = connection.execute("select count(*) from pg_stat_activity where application_name = 'bestand'").fetchone()
        assert left == (0,)


@pytest.mark.duckdb15
def test_what_is_missing_is_named(crm: Crm, tmp_path: Path) -> None:
    with crm.server.connect(crm.database) as connection:
        connection.execute("create schema broken; create table broken.accounts (account_id text, crm_owner text)")
        connection.execute("create table broken.orders (order_id text, account_id text)")
        connection.execute(f"grant usage on schema broken to {crm.user}")
        connection.execute(f"grant select on all tables in schema broken to {crm.user}")
    variables = "{crm_schema: crm_db.broken, crm_entities: [accounts, orders, plans], planted: pl4nted-var}"
    run = bestand(tmp_path, crm.source, "--as-of", AS_OF, "--select", "stg_crm__inputs", "--vars", variables)
    said = " ".join((run.stdout + run.stderr).split())
    assert run.returncode == 1
    assert "crm_db.broken.accounts: unknown column crm_owner; expected account_id, account_name," in said
    assert "crm_db.broken.orders: columns ordered_at, amount, currency missing; expected order_id, account_id," in said
    assert "crm_db.broken.plans: the table does not exist, but the var crm_entities names plans." in said
    assert traces(tmp_path, run, PASSWORD, ENCODED) == []
    # the scan would have found it: this came in the way a password in a profile or a var does
    assert {"logs/dbt.log", "target/run_results.json"} <= set(traces(tmp_path, run, "pl4nted-var"))


@pytest.mark.duckdb15
def test_a_database_that_cannot_be_reached(crm: Crm, tmp_path: Path) -> None:
    wrong = crm.source.replace(ENCODED, "Wr0ng" + ENCODED)
    run = bestand(
        tmp_path, wrong, "--as-of", AS_OF, "--select", "stg_crm__inputs", "--vars", "{crm_schema: crm_db.crm}"
    )
    assert traces(tmp_path, run, PASSWORD, ENCODED) == []
    assert run.returncode == 2
    assert re.search(
        r"The PostgreSQL database of BESTAND_SOURCE_POSTGRES cannot be read: connection to server on socket .* failed:"
        rf" FATAL: +password authentication failed for user \"{crm.user}\"",
        run.stderr,
    )
    assert "Traceback" not in run.stderr


@pytest.fixture
def plugin() -> Iterator[Any]:
    yield postgres_source.Plugin("postgres_source", {})


def test_without_the_extension_it_says_what_is_missing(plugin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BESTAND_SOURCE_POSTGRES", "postgresql://")
    monkeypatch.setattr(postgres_source, "WHEEL", "no_such_wheel")
    with duckdb.connect(config={"extension_directory": "/nowhere"}) as connection:
        with pytest.raises(DbtRuntimeError) as refused:
            plugin.configure_connection(connection)
        assert connection.execute("select current_setting('autoinstall_known_extensions')").fetchone() == (True,)
    assert str(refused.value).split("  ", 1)[-1] == (
        f"The target duckdb_postgres needs DuckDB's extension postgres, which DuckDB {duckdb.__version__} does not "
        "find: use DuckDB 1.5.5 with its package duckdb-extension-postgres-scanner (requirements-duckdb15.lock), "
        "or run INSTALL postgres in this DuckDB."
    )


def test_a_source_that_is_not_named_or_not_readable(plugin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BESTAND_SOURCE_POSTGRES", raising=False)
    with duckdb.connect() as connection:
        with pytest.raises(DbtRuntimeError, match="The variable BESTAND_SOURCE_POSTGRES is missing: the target "):
            plugin.configure_connection(connection)
        monkeypatch.setenv("BESTAND_SOURCE_POSTGRES", f"postgres//reader:{PASSWORD}@host/crm")
        with pytest.raises(DbtRuntimeError, match="BESTAND_SOURCE_POSTGRES is not a connection string; ") as refused:
            plugin.configure_connection(connection)
    assert PASSWORD not in f"{refused.value} {refused.value!r}"
