"""Publishing to PostgreSQL: exact values, whole builds for every reader, nothing left behind, nobody let in."""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psutil
import psycopg
import pytest
from bestand.refresh import postgres as publishing
from bestand.refresh.postgres import STEPS, PostgresBusy, PostgresError, PostgresTarget, publish, published_build
from postgres_server import Postgres, postgres  # noqa: F401
from project import ROOT, Warehouse

MARTS = ("movements", "totals")


def nowhere(step: str) -> None:
    assert step in STEPS


def opened(path: Path) -> duckdb.DuckDBPyConnection:
    """A publish's file, in which `marts` is the catalog and the marts lie in its schema main."""
    connection = duckdb.connect()
    connection.execute(f"set TimeZone = 'UTC'; attach '{path}' as marts")
    return connection.execute("use marts")


def write_candidate(path: Path, build_id: str, *statements: str, rows: int = 300) -> Path:
    """A publish of two marts; every row of every table names the build, so that a mix shows."""
    path.unlink(missing_ok=True)
    with opened(path) as connection:
        connection.execute("create schema operations")
        for mart in MARTS:
            connection.execute(
                f"create table marts.{mart} as "
                f"select '{build_id}' as build_id, n as account_id, n * 1.5e0 as amount from range({rows}) as t (n)"
            )
        connection.execute(f"create table operations.publish_manifest as select '{build_id}' as build_id")
        for statement in statements:
            connection.execute(statement)
        connection.execute(
            "create table operations.publish_tables as select schema_name, table_name, estimated_size as row_count, "
            "'' as checksum from duckdb_tables() where database_name = 'marts' and schema_name = 'main'"
        )
    return path


@pytest.fixture
def target(postgres: Postgres) -> PostgresTarget:  # noqa: F811
    """A database of its own, and a reader of its own."""
    return PostgresTarget(postgres.url(postgres.database()), reader=postgres.name("reader"))


@pytest.fixture
def candidate(tmp_path: Path) -> Callable[..., Path]:
    def write(build_id: str, *statements: str, rows: int = 300) -> Path:
        return write_candidate(tmp_path / "marts.duckdb", build_id, *statements, rows=rows)

    return write


@pytest.fixture
def admin(target: PostgresTarget) -> Iterator[psycopg.Connection]:
    with psycopg.connect(target.url, autocommit=True) as connection:
        yield connection


def value(connection: psycopg.Connection, query: str) -> Any:
    (row,) = connection.execute(query).fetchall()
    return row[0]


def builds(connection: psycopg.Connection) -> set[str]:
    """The build ids in all tables of a publish."""
    tables = [f"marts.{mart}" for mart in MARTS] + ["marts_operations.publish_manifest"]
    return {row[0] for row in connection.execute(" union ".join(f"select build_id from {table}" for table in tables))}


# Values

HARD_VALUES = {
    "decimal": ("decimal(38,4)", "numeric(38,4)", ["9999999999999999999999999999999999.9999", "-0.0001", "0"]),
    "small_decimal": ("decimal(18,8)", "numeric(18,8)", ["0.00000001", "1234567890.12345678"]),
    "double": ("double", "double precision", ["0.1", "1e308", "5e-324", "-0.30000000000000004", "'inf'", "'nan'"]),
    "float": ("float", "real", ["0.1", "3.4028235e38"]),
    "hugeint": ("hugeint", "numeric", ["170141183460469231731687303715884105727", "-1"]),
    "ubigint": ("ubigint", "numeric(20,0)", ["18446744073709551615"]),
    "bigint": ("bigint", "bigint", ["-9223372036854775808", "9223372036854775807"]),
    "integer": ("integer", "integer", ["-2147483648", "2147483647"]),
    "tinyint": ("tinyint", "smallint", ["-128", "127"]),
    "boolean": ("boolean", "boolean", ["true", "false"]),
    "date": ("date", "date", ["'0001-01-01'", "'2024-02-29'", "'9999-12-31'"]),
    "timestamp": ("timestamp", "timestamp without time zone", ["'2024-02-29 23:59:59.999999'", "'0001-01-01'"]),
    "moment": ("timestamptz", "timestamp with time zone", ["'2024-03-31 01:30:00+00'", "'2024-10-27 02:30:00+02'"]),
    "text": ("varchar", "text", ["''", r"'\N'", r"'\\'", "E'tab\\tline\\nreturn\\r'", "'\", ''it'''", "'Ünï 漢 😀'"]),
    "enum": ("enum('a', 'b c')", "text", ["'b c'"]),
    "uuid": ("uuid", "uuid", ["'123e4567-e89b-12d3-a456-426614174000'"]),
    "blob": ("blob", "bytea", [r"'\x00\xFF\x5C'::blob"]),
    "list": ("integer[]", "jsonb", ["[1, null, 3]", "[]"]),
    "struct": ("struct(a integer, b varchar[])", "jsonb", ["{'a': 1, 'b': ['x', '\"']}"]),
    "json": ("json", "jsonb", ["""'{"reasons": ["a"], "n": 1.5}'"""]),
}  # fmt: skip


def as_python(kind: str, given: Any) -> Any:
    """What psycopg gives for a value that DuckDB gives."""
    if kind in ("hugeint", "ubigint") and given is not None:
        return Decimal(given)
    if kind == "json" and isinstance(given, str):
        return json.loads(given)
    if kind == "float" and given is not None:
        return struct.pack("f", given)
    if isinstance(given, float) and math.isnan(given):
        return "nan"
    return given


@pytest.fixture(scope="module")
def hard(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:  # noqa: F811
    """A publish with a table of hard values for every type, and the database it went to."""
    tables = []
    for kind, (duckdb_type, _, values) in HARD_VALUES.items():
        literals = [*(f"cast({literal} as {duckdb_type})" for literal in values), f"cast(null as {duckdb_type})"]
        rows = ", ".join(f"({n}, {literal})" for n, literal in enumerate(literals))
        tables.append(f'create table marts.hard_{kind} as select * from (values {rows}) as t (n, "the ""value""")')
    path = write_candidate(tmp_path_factory.mktemp("hard") / "marts.duckdb", "b1", *tables)
    database = postgres.database()
    publish(PostgresTarget(postgres.url(database)), path, build_id="b1", reached=nowhere)
    return path, database


@pytest.mark.parametrize("kind", HARD_VALUES)
def test_every_type_arrives_exactly(kind: str, hard: tuple[Path, str], postgres: Postgres) -> None:  # noqa: F811
    path, database = hard
    query = f"select * from marts.hard_{kind} order by n"
    with opened(path) as connection:
        expected = connection.execute(query).fetchall()
    with postgres.connect(database) as admin:
        admin.execute("set timezone = 'UTC'")
        found = admin.execute(query).fetchall()
        types = "select format_type(atttypid, atttypmod) from pg_attribute where attnum = 2"
        assert value(admin, f"{types} and attrelid = 'marts.hard_{kind}'::regclass") == HARD_VALUES[kind][1]
    assert [as_python(kind, row[1]) for row in found] == [as_python(kind, row[1]) for row in expected]
    assert len(found) == len(HARD_VALUES[kind][2]) + 1


@pytest.mark.slow
def test_the_demo_arrives_whole(demo: Warehouse, target: PostgresTarget, tmp_path: Path) -> None:
    path = tmp_path / "marts.duckdb"
    with opened(path) as connection:
        connection.execute(f"attach '{demo.database}' as demo (read_only)")
        connection.execute("create schema operations")
        marts = connection.execute(
            "select table_name from duckdb_tables() where database_name = 'demo' and schema_name = 'marts'"
        ).fetchall()
        for (mart,) in marts:
            connection.execute(f"create table marts.{mart} as select * from demo.marts.{mart}")
        connection.execute("create table operations.publish_manifest as select 'b1' as build_id")
    assert len(marts) > 30
    written = publish(target, path, build_id="b1", reached=nowhere)
    with opened(path) as source, psycopg.connect(target.url) as there:
        count = 1
        for (mart,) in marts:
            expected = source.execute(f"select * from marts.{mart}").fetchall()
            found = there.execute(f"select * from marts.{mart}").fetchall()
            assert sorted(map(repr, found)) == sorted(map(repr, expected)), mart
            count += len(found)
    assert written == count


def test_descriptions_come_along_and_change(
    target: PostgresTarget, candidate: Callable[..., Path], admin: psycopg.Connection
) -> None:
    described = "comment on table marts.totals is 'It''s the sum'", "comment on column marts.totals.amount is 'In EUR'"
    table, column = "obj_description('marts.totals'::regclass)", "col_description('marts.totals'::regclass, 3)"
    publish(target, candidate("b1", *described), build_id="b1", reached=nowhere)
    assert admin.execute(f"select {table}, {column}").fetchall() == [("It's the sum", "In EUR")]
    publish(target, candidate("b2", described[0].replace("sum", "total")), build_id="b2", reached=nowhere)
    assert admin.execute(f"select {table}, {column}").fetchall() == [("It's the total", None)]


# Readers


class Reader(threading.Thread):
    """Polls until told to stop, and keeps what was wrong."""

    def __init__(self, look: Callable[[], Iterator[set[str]]]) -> None:
        super().__init__()
        self.look, self.stopped, self.seen, self.polls, self.wrong = look, threading.Event(), set(), 0, []
        self.start()

    def run(self) -> None:
        try:
            for found in self.look():
                self.polls += 1
                self.seen |= found
                if len(found) != 1:
                    self.wrong.append(f"mixed: {sorted(found)}")
                if self.stopped.is_set():
                    return
        except Exception as error:
            self.wrong.append(repr(error))


JOINED = """
    select distinct manifest.build_id, movements.build_id, totals.build_id, count(*) over ()
    from marts_operations.publish_manifest as manifest
    full join marts.movements on true
    full join marts.totals on movements.account_id = totals.account_id
"""


def polling(target: PostgresTarget, **options: Any) -> Callable[[], Iterator[set[str]]]:
    """Statements of their own; prepared ones with prepare_threshold."""

    def look() -> Iterator[set[str]]:
        with psycopg.connect(target.url, autocommit=True, **options) as connection:
            while True:
                rows = connection.execute(JOINED).fetchall()
                yield {str(build) for row in rows for build in row[:3]} | {f"{row[3]} rows" for row in rows} - {
                    "300 rows"
                }

    return look


def in_transactions(target: PostgresTarget) -> Callable[[], Iterator[set[str]]]:
    """Several statements that must fit together, as a report reads them."""

    def look() -> Iterator[set[str]]:
        with psycopg.connect(target.url) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            while True:
                found = set()
                for table in ("marts.movements", "marts_operations.publish_manifest", "marts.totals"):
                    rows = connection.execute(f"select build_id from {table}").fetchall()
                    found |= {row[0] for row in rows} or {f"{table} is empty"}
                    time.sleep(0.01)
                connection.rollback()
                yield found

    return look


def with_psql(server: Postgres, target: PostgresTarget) -> Callable[[], Iterator[set[str]]]:
    def look() -> Iterator[set[str]]:
        database = psycopg.conninfo.conninfo_to_dict(target.url)["dbname"]
        while True:
            run = server.psql(str(database), JOINED)
            assert run.returncode == 0, run.stderr
            yield {build for line in run.stdout.split() for build in line.split("|")[:3]}

    return look


def test_readers_see_whole_builds_and_no_errors(
    postgres: Postgres,  # noqa: F811
    target: PostgresTarget,
    candidate: Callable[..., Path],
) -> None:
    publish(target, candidate("b000"), build_id="b000", reached=nowhere)
    # somebody left a window open: a transaction that has read and does not end
    with psycopg.connect(target.url) as open_window:
        open_window.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        assert builds(open_window) == {"b000"}
        readers = [
            Reader(polling(target, prepare_threshold=None)),
            Reader(polling(target, prepare_threshold=None)),
            Reader(polling(target, prepare_threshold=0)),
            Reader(in_transactions(target)),
            Reader(in_transactions(target)),
            Reader(with_psql(postgres, target)),
        ]
        try:
            for number in range(1, 26):
                build_id = f"b{number:03}"
                publish(target, candidate(build_id), build_id=build_id, reached=nowhere)
                assert published_build(target) == build_id
        finally:
            for reader in readers:
                reader.stopped.set()
            for reader in readers:
                reader.join(20)
        assert [reader.wrong[:3] for reader in readers] == [[]] * len(readers)
        assert all(len(reader.seen) > 3 for reader in readers), [reader.polls for reader in readers]
        assert builds(open_window) == {"b000"}


# Crashes

PUBLISHER = """
    import os, signal, sys, threading
    from pathlib import Path
    from bestand.refresh.postgres import PostgresTarget, publish
    url, reader, candidate, build_id, moment = sys.argv[1:]
    kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
    def reached(step):
        if step == moment:
            kill()
    if moment.startswith("after "):
        threading.Timer(float(moment.removeprefix("after ")), kill).start()
    publish(PostgresTarget(url, reader=reader), Path(candidate), build_id=build_id, reached=reached)
    os._exit(0)
"""


def run_publisher(target: PostgresTarget, path: Path, build_id: str, moment: str) -> subprocess.CompletedProcess[str]:
    """Publishes in a process of its own, which is killed at a moment."""
    arguments = [sys.executable, "-c", textwrap.dedent(PUBLISHER), target.url, target.reader, str(path), build_id]
    return subprocess.run([*arguments, moment], capture_output=True, text=True, check=False)


def test_a_publish_that_is_killed_leaves_one_build_whole(
    target: PostgresTarget, candidate: Callable[..., Path], admin: psycopg.Connection
) -> None:
    for step in STEPS:
        build_id = f"first {step}"
        assert run_publisher(target, candidate(build_id), build_id, step).returncode == -9
        committed = step == STEPS[-1]
        assert published_build(target) == (build_id if committed else None), step
    publish(target, candidate("old"), build_id="old", reached=nowhere)
    expected = "old"
    for moment in [*STEPS, *(f"after {0.02 * n}" for n in range(8))]:
        build_id = f"killed {moment}"
        run = run_publisher(target, candidate(build_id, rows=20_000), build_id, moment)
        assert run.returncode in (-9, 0), run.stderr
        found = builds(admin)
        if moment in STEPS:
            expected = build_id if moment == STEPS[-1] else expected
            assert found == {expected}, moment
        else:
            assert found in ({expected}, {build_id}), moment
            (expected,) = found
    publish(target, candidate("next"), build_id="next", reached=nowhere)
    assert builds(admin) == {"next"}
    schemas = (
        "select string_agg(nspname, ',' order by nspname) from pg_namespace where nspname !~ '^(pg_|information_)'"
    )
    assert value(admin, schemas) == "marts,marts_operations,public"


def test_two_publishes_at_once(
    target: PostgresTarget, candidate: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, admin: psycopg.Connection
) -> None:
    path = candidate("b1")

    def meanwhile(step: str) -> None:
        if step == "checking PostgreSQL":
            monkeypatch.setattr(publishing, "OTHER_PUBLISH_SECONDS", 0.2)
            with pytest.raises(PostgresBusy, match=r"^Another publish to the PostgreSQL schema marts is under way"):
                publish(target, path, build_id="b1", reached=nowhere)
            # another schema is another matter
            other = PostgresTarget(target.url, "elsewhere", target.reader + "_2")
            publish(other, path, build_id="b1", reached=nowhere)

    publish(target, path, build_id="b1", reached=meanwhile)
    assert builds(admin) == {"b1"}


def test_lost_rows_are_noticed(
    target: PostgresTarget, candidate: Callable[..., Path], admin: psycopg.Connection
) -> None:
    publish(target, candidate("b1"), build_id="b1", reached=nowhere)
    admin.execute(
        "create function lose() returns trigger language plpgsql as 'begin if new.account_id = 7 then return null; "
        "end if; return new; end'"
    )
    admin.execute("create trigger lose before insert on marts.totals for each row execute function lose()")
    with pytest.raises(PostgresError, match=r"^PostgreSQL holds 299 rows of marts.totals where 300 were sent"):
        publish(target, candidate("b2"), build_id="b2", reached=nowhere)
    assert builds(admin) == {"b1"}


def test_another_build_than_announced(target: PostgresTarget, candidate: Callable[..., Path]) -> None:
    with pytest.raises(PostgresError, match=r"^The file to publish is of build b1, not of b2.$"):
        publish(target, candidate("b1"), build_id="b2", reached=nowhere)
    assert published_build(target) is None


# What changes in the marts, and what others have built on them


def test_columns_change_under_the_views_of_others(
    target: PostgresTarget, candidate: Callable[..., Path], admin: psycopg.Connection
) -> None:
    extra = "create table marts.extra as select 1 as n"
    publish(target, candidate("b1", extra), build_id="b1", reached=nowhere)
    admin.execute("create schema theirs")
    admin.execute("create view theirs.sums as select build_id, sum(account_id) as total from marts.totals group by 1")
    admin.execute("create index on marts.totals (account_id)")
    admin.execute("create table marts.their_notes as select 'keep' as note")
    admin.execute("set default_transaction_isolation = 'repeatable read'")
    changes = (
        "alter table marts.totals add column mrr decimal(38,4) default 12.5",
        "alter table marts.totals alter amount type varchar",
        "comment on column marts.totals.mrr is 'In EUR'",
    )
    with psycopg.connect(target.url) as older:
        older.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        older.execute("select 1 from pg_class limit 1")
        publish(target, candidate("b2", *changes), build_id="b2", reached=nowhere)
        # it began before: the old rows, never an empty table
        assert builds(older) == {"b1"}
    assert admin.execute("select build_id, total from theirs.sums").fetchall() == [("b2", 44850)]
    assert admin.execute("select distinct mrr from marts.totals").fetchall() == [(Decimal("12.5000"),)]
    assert value(admin, "select amount from marts.totals where account_id = 1") == "1.5"
    assert value(admin, "select note from marts.their_notes") == "keep"
    assert value(admin, "select count(*) from pg_indexes where tablename = 'totals'") == 1
    assert value(admin, "select to_regclass('marts.extra') is null") is True
    described = "select col_description(attrelid, attnum) from pg_attribute"
    assert value(admin, f"{described} where attrelid = 'marts.totals'::regclass and attname = 'mrr'") == "In EUR"
    gone = "alter table marts.totals drop account_id"
    with pytest.raises(PostgresError) as refused:
        publish(target, candidate("b3", gone), build_id="b3", reached=nowhere)
    assert str(refused.value) == (
        "The columns of the marts have changed and something in PostgreSQL rests on the old ones (view theirs.sums "
        "depends on column account_id of table marts.totals): drop it, refresh, and make it anew."
    )
    assert builds(admin) == {"b2"}


def test_tables_of_others_are_not_touched(
    target: PostgresTarget, candidate: Callable[..., Path], admin: psycopg.Connection
) -> None:
    admin.execute("create schema marts")
    admin.execute("create table marts.totals as select 'theirs' as build_id")
    with pytest.raises(PostgresError, match=r"has a marts\.totals that Bestand did not publish; name another schema"):
        publish(target, candidate("b1"), build_id="b1", reached=nowhere)
    assert value(admin, "select build_id from marts.totals") == "theirs"
    admin.execute("alter table marts.totals rename to their_totals")
    publish(target, candidate("b1"), build_id="b1", reached=nowhere)
    admin.execute("create view marts.newer as select 1 as n")
    with pytest.raises(PostgresError, match=r"has a marts\.newer that Bestand did not publish"):
        publish(target, candidate("b2", "create table marts.newer as select 1 as n"), build_id="b2", reached=nowhere)
    assert value(admin, "select build_id from marts.their_totals") == "theirs"
    assert builds(admin) == {"b1"}


def test_a_reader_who_does_not_end_holds_up_new_columns_only_and_nobody_else(
    target: PostgresTarget, candidate: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, admin: psycopg.Connection
) -> None:
    monkeypatch.setattr(publishing, "LOCK_PATIENCE_SECONDS", 1.5)
    monkeypatch.setattr(publishing, "LOCK_PAUSE_SECONDS", 0.3)
    publish(target, candidate("b1"), build_id="b1", reached=nowhere)
    change = "alter table marts.totals add column mrr integer"
    with psycopg.connect(target.url) as window:
        window.execute("select * from marts.totals limit 1")
        pid = window.info.backend_pid
        poll = Reader(polling(target))
        try:
            with pytest.raises(PostgresError) as refused:
                publish(target, candidate("b2", change), build_id="b2", reached=nowhere)
        finally:
            poll.stopped.set()
            poll.join(10)
        assert f"because the transaction of postgres (process {pid}) has not ended: end it" in str(refused.value)
        assert poll.wrong == []
        assert poll.polls > 3
    assert builds(admin) == {"b1"}
    publish(target, candidate("b2", change), build_id="b2", reached=nowhere)
    assert builds(admin) == {"b2"}


# Rights


def test_the_reader_reads_and_nobody_else_does(
    postgres: Postgres,  # noqa: F811
    target: PostgresTarget,
    candidate: Callable[..., Path],
    admin: psycopg.Connection,
) -> None:
    # a database that is generous by default
    admin.execute("alter default privileges grant all on tables to public")
    admin.execute("alter default privileges grant usage on schemas to public")
    publish(target, candidate("b1"), build_id="b1", reached=nowhere)
    publish(target, candidate("b2", "create table marts.newer as select 1 as n"), build_id="b2", reached=nowhere)
    database = str(admin.info.dbname)
    analyst, stranger = postgres.user(), postgres.user()
    admin.execute(f"grant {target.reader} to {analyst}")
    with postgres.connect(database, user=analyst) as reading:
        assert builds(reading) == {"b2"}
        assert value(reading, "select n from marts.newer") == 1
        for statement in (
            "delete from marts.totals",
            "update marts.totals set amount = 0",
            "insert into marts.totals default values",
            "truncate marts.totals",
            "drop table marts.totals",
            "create table marts.mine (n integer)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reading.execute(statement)
    with postgres.connect(database, user=stranger) as looking:
        for table in ("marts.totals", "marts_operations.publish_manifest"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                looking.execute(f"select * from {table}")
    assert value(admin, f"select rolcanlogin from pg_roles where rolname = '{target.reader}'") is False


def test_a_publisher_with_few_rights(
    postgres: Postgres,  # noqa: F811
    candidate: Callable[..., Path],
) -> None:
    database, publisher, reader = postgres.database(), postgres.user(), postgres.name("reader")
    target = PostgresTarget(postgres.url(database, user=publisher), reader=reader)
    with pytest.raises(PostgresError) as refused:
        publish(target, candidate("b1"), build_id="b1", reached=nowhere)
    assert str(refused.value) == (
        f"The PostgreSQL role {reader} does not exist and this user may not create it: have an administrator run "
        f"`create role {reader} nologin`, or name another role with BESTAND_POSTGRES_READER."
    )
    with postgres.connect(database) as admin:
        admin.execute(f"create role {reader} nologin")
        with pytest.raises(PostgresError, match=r"^PostgreSQL: permission denied for database "):
            publish(target, candidate("b1"), build_id="b1", reached=nowhere)
        for schema in ("marts", "marts_operations"):
            admin.execute(f"create schema {schema} authorization {publisher}")
        for build_id in ("b1", "b2"):
            publish(target, candidate(build_id), build_id=build_id, reached=nowhere)
        assert builds(admin) == {"b2"}
        assert value(admin, f"select has_table_privilege('{reader}', 'marts.totals', 'select')") is True


def test_names_that_need_quotes(
    postgres: Postgres,  # noqa: F811
    candidate: Callable[..., Path],
) -> None:
    database, schema = postgres.database(), 'Our "best"; drop schema public; --'
    target = PostgresTarget(postgres.url(database), schema, 'The "Reader" ' + postgres.name("r"))
    odd = 'create table marts."a.b; ""c""" as select 1 as "select"'
    for build_id in ("b1", "b2"):
        publish(target, candidate(build_id, odd), build_id=build_id, reached=nowhere)
    assert published_build(target) == "b2"
    with postgres.connect(database) as admin:
        found = admin.execute("select nspname from pg_namespace where nspname !~ '^(pg_|information_)' order by 1")
        assert [row[0] for row in found] == sorted([schema, f"{schema}_operations", "public"], key=str.lower)


# Names of people


def test_the_directory_is_for_nobody_but_those_named(
    postgres: Postgres,  # noqa: F811
    target: PostgresTarget,
    candidate: Callable[..., Path],
    admin: psycopg.Connection,
    tmp_path: Path,
) -> None:
    parquet = tmp_path / "account_directory.parquet"
    duckdb.execute(f"copy (select 'a1' as account_id, 'Ada Lovelace' as account_name) to '{parquet}'")
    with pytest.raises(PostgresError, match="only where BESTAND_POSTGRES_DIRECTORY is true"):
        publishing.publish_directory(target, parquet)
    wanted = PostgresTarget(target.url, reader=target.reader, has_directory=True)
    publish(wanted, candidate("b1"), build_id="b1", reached=nowhere)
    for _ in range(2):
        assert publishing.publish_directory(wanted, parquet) == 1
    directory = "select account_name from marts_restricted.account_directory"
    publish(wanted, candidate("b2"), build_id="b2", reached=nowhere)
    assert value(admin, directory) == "Ada Lovelace"
    reader, allowed = postgres.user(), postgres.user()
    admin.execute(f"grant {target.reader} to {reader}")
    reading = postgres.connect(str(admin.info.dbname), user=reader)
    with reading, pytest.raises(psycopg.errors.InsufficientPrivilege):
        reading.execute(directory)
    admin.execute(f"grant usage on schema marts_restricted to {allowed}")
    admin.execute(f"grant select on marts_restricted.account_directory to {allowed}")
    publishing.publish_directory(wanted, parquet)
    with postgres.connect(str(admin.info.dbname), user=allowed) as reading:
        assert value(reading, directory) == "Ada Lovelace"
    # no longer wanted: the next publish removes them
    publish(target, candidate("b3"), build_id="b3", reached=nowhere)
    assert admin.execute(directory).fetchall() == []


# Settings and errors

SECRET = "s3cret%2Fw:rd"
PLAIN = "s3cret/w:rd"


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "SCHEMA", "READER", "DIRECTORY"):
        monkeypatch.delenv(f"BESTAND_POSTGRES_{name}", raising=False)
    assert PostgresTarget.from_environment() is None
    monkeypatch.setenv("BESTAND_POSTGRES_URL", f"postgresql://bi:{SECRET}@localhost/bi")
    found = PostgresTarget.from_environment()
    assert found is not None
    assert (found.schema, found.reader, found.has_directory) == ("marts", "bestand_reader", False)
    assert "secret" not in repr(found).lower() and "s3cret" not in f"{found} {found!r}"
    monkeypatch.setenv("BESTAND_POSTGRES_SCHEMA", "kpi")
    monkeypatch.setenv("BESTAND_POSTGRES_READER", "bi_reader")
    monkeypatch.setenv("BESTAND_POSTGRES_DIRECTORY", "TRUE")
    found = PostgresTarget.from_environment()
    assert found is not None
    assert (found.operations, found.reader, found.has_directory) == ("kpi_operations", "bi_reader", True)
    for name, wrong in (("SCHEMA", "pg_marts"), ("READER", "r" * 60), ("DIRECTORY", "yes")):
        with monkeypatch.context() as changed:
            changed.setenv(f"BESTAND_POSTGRES_{name}", wrong)
            with pytest.raises(PostgresError, match=rf"^BESTAND_POSTGRES_{name} is '{wrong}'; expected [^\n]*\.$"):
                PostgresTarget.from_environment()


def test_errors_are_one_sentence_without_secrets(
    postgres: Postgres,  # noqa: F811
    candidate: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, user, database = candidate("b1"), postgres.user(PLAIN), postgres.database()
    wrong = f"Wr0ng{PLAIN}"
    cases = {
        "password authentication failed": postgres.url(database, user=user, password=wrong),
        'database "nowhere" does not exist': postgres.url("nowhere", user=user, password=PLAIN),
        "permission denied": postgres.url(database, user=user, password=PLAIN),
        "No such file or directory": f"postgresql://{user}:{SECRET}@/db?host=/nowhere",
        "BESTAND_POSTGRES_URL is not a connection string": f"postgres//{user}:{SECRET}@host/db",
        'invalid sslmode value: "***"': f"host=localhost sslmode={PLAIN} password={PLAIN}",
    }
    with postgres.connect() as admin:
        admin.execute("create role r_errors nologin")
    for said, url in cases.items():
        target = PostgresTarget(url, reader="r_errors")
        for call in (lambda: publish(target, path, build_id="b1", reached=nowhere), lambda: published_build(target)):  # noqa: B023
            if "denied" in said and published_build in call.__code__.co_names:
                continue
            try:
                call()
            except PostgresError as error:
                assert said in str(error), (said, str(error))
                shown = f"{error} {error!r} {target!r}"
                assert "\n" not in str(error)
                assert PLAIN not in shown and SECRET not in shown
            else:
                assert "denied" in said  # anybody may ask what is there; nothing is
    monkeypatch.setenv("PGPASSWORD", PLAIN)
    assert published_build(PostgresTarget(postgres.url(database, user=user))) is None


def test_the_server_goes_with_the_tests(tmp_path: Path) -> None:
    """A killed test run leaves no server behind."""
    program = (
        "import os, sys; sys.path[:0] = [sys.argv[1]]; import postgres_server; "
        "made = postgres_server.started(); server = next(made); "
        "print(server.data, (server.data / 'postmaster.pid').read_text().split()[0], flush=True); "
        "os.kill(os.getpid(), 9)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "tests" / "python")], capture_output=True, text=True, check=False
    )
    data, pid = run.stdout.split()
    deadline = time.monotonic() + 20
    while Path(data).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(data).exists()
    assert not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(target: PostgresTarget, tmp_path: Path) -> None:
    program = PUBLISHER.replace(
        "os._exit(0)", "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); os._exit(0)"
    )
    used = []
    for rows in (10_000, 1_000_000):
        path = write_candidate(tmp_path / f"{rows}.duckdb", "b1", rows=rows)
        run = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), target.url, target.reader, str(path), "b1", "never"],
            capture_output=True,
            text=True,
            check=True,
        )
        used.append(int(run.stdout) / 1024)
    assert used[1] - used[0] < 100, used
