"""Publishes the marts to PostgreSQL: one transaction exchanges every row, so readers see the old build or the new one.

The tables stay and their rows change. Renaming a freshly loaded schema into place was tried and gives readers mixed
builds: PostgreSQL looks names up one after the other, so a statement can find its first table before the swap and its
second after it, and a transaction with an older snapshot finds new tables empty. Rows obey snapshots; names do not.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import LiteralString

import duckdb
import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from .. import warehouse
from .candidate import SCHEMA as SCHEMA_OF_MARTS

URL = "BESTAND_POSTGRES_URL"
SCHEMA = "BESTAND_POSTGRES_SCHEMA"
READER = "BESTAND_POSTGRES_READER"
DIRECTORY = "BESTAND_POSTGRES_DIRECTORY"

STEPS = (
    "connecting to PostgreSQL",
    "loading PostgreSQL",
    "checking PostgreSQL",
    "committing to PostgreSQL",
    "vacuuming PostgreSQL",
)
LONGEST_NAME = 63  # bytes; PostgreSQL cuts longer names off
CONNECT_SECONDS = 10
OTHER_PUBLISH_SECONDS = 30  # a killed publish holds its lock until the server notices that it is gone
# Where columns have changed the table must be had for oneself. Readers who come meanwhile queue behind that wish, so it
# is withdrawn after a moment and made again; less than PostgreSQL's deadlock_timeout (1 s), which could hit a reader.
LOCK_MILLISECONDS = 500
LOCK_PAUSE_SECONDS = 2.0
LOCK_PATIENCE_SECONDS = 300.0
ROWS_AT_ONCE = 5_000

TYPES = {
    "BOOLEAN": "boolean",
    "TINYINT": "smallint",
    "UTINYINT": "smallint",
    "SMALLINT": "smallint",
    "USMALLINT": "integer",
    "INTEGER": "integer",
    "UINTEGER": "bigint",
    "BIGINT": "bigint",
    "UBIGINT": "numeric(20,0)",
    "HUGEINT": "numeric",
    "UHUGEINT": "numeric",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "DATE": "date",
    "TIME": "time without time zone",
    "TIMESTAMP": "timestamp without time zone",
    "TIMESTAMP_S": "timestamp without time zone",
    "TIMESTAMP_MS": "timestamp without time zone",
    "TIMESTAMP_NS": "timestamp without time zone",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "INTERVAL": "interval",
    "UUID": "uuid",
    "BLOB": "bytea",
    "JSON": "jsonb",
}


class PostgresError(Exception):
    """The marts could not be published to PostgreSQL, or what is there not be read; the message says what to do."""


class PostgresBusy(PostgresError):
    """Another publish to the same schema is under way."""


@dataclass(frozen=True)
class PostgresTarget:
    """Where to publish: a database, a schema, and the role that may read it. Its repr shows no secret."""

    url: str = field(repr=False)
    schema: str = "marts"
    reader: str = "bestand_reader"
    has_directory: bool = False

    def __post_init__(self) -> None:
        for variable, name in ((SCHEMA, self.schema), (READER, self.reader)):
            if not name or len(name.encode()) > LONGEST_NAME - len("_operations") or name.startswith("pg_"):
                raise PostgresError(
                    f"{variable} is {name!r}; expected a name of 1 to {LONGEST_NAME - len('_operations')} bytes that "
                    "does not begin with pg_."
                )

    @classmethod
    def from_environment(cls) -> PostgresTarget | None:
        """The target that BESTAND_POSTGRES_URL names; None when it is unset or empty: then nothing goes to PostgreSQL.

        `postgresql://` is enough where the PG* variables, a service or a password file say the rest.
        Raises PostgresError when a setting cannot be used.
        """
        url = os.environ.get(URL, "").strip()
        if not url:
            return None
        directory = os.environ.get(DIRECTORY, "false").strip().lower()
        if directory not in ("true", "false"):
            raise PostgresError(f"{DIRECTORY} is {directory!r}; expected true or false.")
        return cls(url, os.environ.get(SCHEMA) or cls.schema, os.environ.get(READER) or cls.reader, directory == "true")

    @property
    def operations(self) -> str:
        """The schema of the manifest, the refreshes and their tests."""
        return f"{self.schema}_operations"

    @property
    def restricted(self) -> str:
        """The schema of the names, granted to nobody."""
        return f"{self.schema}_restricted"


@dataclass(frozen=True)
class Column:
    """A column as PostgreSQL is to have it, and the DuckDB expression that gives its value as text."""

    name: str
    kind: str
    text: str = ""
    comment: str | None = None


@dataclass(frozen=True)
class Table:
    """A table as PostgreSQL is to have it, and where DuckDB reads its rows."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    source: str = ""
    comment: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.schema, self.name

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)


def publish(target: PostgresTarget, candidate: Path, *, build_id: str, reached: Callable[[str], None]) -> int:
    """Exchanges what PostgreSQL holds for the marts and operations of a publish's DuckDB file; gives the rows written.

    One transaction: until it commits readers see the last build whole, whatever happens to this process or the server,
    and there is nothing to clean up. `reached` is called with each of STEPS as it begins.

    Raises PostgresBusy while another publish to the schema is under way, and PostgresError when the database cannot be
    reached or refuses, or when the file is not that of `build_id`; nothing has changed then. Only when the connection
    breaks during the commit itself is it open which build is there: `published_build` tells.
    """
    connecting, loading, checking, committing, vacuuming = STEPS
    reached(connecting)
    with _one_sentence(target), warehouse.connect(candidate) as source, _connect(target, build_id) as connection:
        tables = _marts(target, source, build_id)
        reached(loading)
        rows = _exchange(target, connection, source, tables)
        reached(checking)
        _check(connection, source, tables)
        _settle_rights(target, connection)
        reached(committing)
        connection.commit()
        reached(vacuuming)
        _vacuum(connection, [table.key for table in tables] + [_directory(target)])
        return rows


def publish_directory(target: PostgresTarget, parquet: Path) -> int:
    """Exchanges the names of `<schema>_restricted.account_directory` in one transaction; gives the rows written.

    No role is granted anything on it: the administrator names those who may read names. Raises PostgresError when the
    target does not ask for the directory (BESTAND_POSTGRES_DIRECTORY) or the database refuses.
    """
    if not target.has_directory:
        raise PostgresError(f"Names go to PostgreSQL only where {DIRECTORY} is true.")
    with _one_sentence(target), duckdb.connect() as source, _connect(target, "directory") as connection:
        source.execute("set TimeZone = 'UTC'")
        relation = f"read_parquet('{str(parquet).replace(chr(39), chr(39) * 2)}')"
        described = source.execute(f"describe select * from {relation}").fetchall()
        columns = tuple(_column(name, kind) for name, kind, *_ in described)
        tables = [Table(*_directory(target), columns, relation)]
        _lock_out_others(target, connection)
        _create_schemas(connection, [target.restricted])
        rows = _load(connection, source, tables, retired=[])
        _close_to_public(connection, [target.restricted])
        connection.commit()
        _vacuum(connection, [_directory(target)])
        return rows


def published_build(target: PostgresTarget) -> str | None:
    """The build id that PostgreSQL holds now; None when nothing has been published there.

    Raises PostgresError when the database cannot be reached or the manifest may not be read.
    """
    with _one_sentence(target), _connect(target, "status") as connection:
        if (target.operations, "publish_manifest") not in _relations(connection, [target.operations]):
            return None
        row = connection.execute(
            sql.SQL("select build_id from {}").format(sql.Identifier(target.operations, "publish_manifest"))
        ).fetchone()
        return None if row is None else str(row[0])


def _exchange(
    target: PostgresTarget,
    connection: psycopg.Connection,
    source: duckdb.DuckDBPyConnection,
    tables: Sequence[Table],
) -> int:
    schemas = [target.schema, target.operations]
    _lock_out_others(target, connection)
    _create_role(target, connection)
    _create_schemas(connection, schemas)
    published = _published_before(target, connection)
    wanted = {table.key for table in tables}
    there = _relations(connection, schemas)
    for schema, name in sorted(wanted & there.keys() - published):
        raise PostgresError(
            f"The PostgreSQL database has a {schema}.{name} that Bestand did not publish; name another schema "
            f"with {SCHEMA}, or move it away."
        )
    retired = [table for key, table in there.items() if key in published - wanted]
    return _load(connection, source, tables, retired)


# What the DuckDB file holds


def _marts(target: PostgresTarget, source: duckdb.DuckDBPyConnection, build_id: str) -> list[Table]:
    """The tables of a publish as PostgreSQL is to have them."""
    source.execute("set enable_progress_bar = false")  # it would stand in what schedulers read
    schemas = {SCHEMA_OF_MARTS: target.schema, "operations": target.operations}
    columns: dict[tuple[str, str], list[Column]] = {}
    comments = {}
    for schema, table, comment, column, kind, column_comment in source.execute(
        """
        select tables.schema_name, tables.table_name, tables.comment, columns.column_name, columns.data_type,
            columns.comment
        from duckdb_tables() as tables
        inner join duckdb_columns() as columns using (database_oid, schema_oid, table_oid)
        where tables.database_name = current_database() and list_contains(?, tables.schema_name)
        order by tables.schema_name, tables.table_name, columns.column_index
        """,
        [list(schemas)],
    ).fetchall():
        for name in (table, column):
            if len(name.encode()) > LONGEST_NAME:
                raise PostgresError(f"The name {name} is longer than PostgreSQL allows ({LONGEST_NAME} bytes).")
        comments[schema, table] = comment
        columns.setdefault((schema, table), []).append(_column(column, kind, column_comment))
    (catalog,) = source.execute("select current_database()").fetchone() or ("",)
    if ("operations", "publish_manifest") not in columns:
        raise PostgresError("The file to publish holds no operations.publish_manifest.")
    held = source.execute(f"select build_id from {_quoted(catalog)}.operations.publish_manifest").fetchone()
    if held != (build_id,):
        raise PostgresError(f"The file to publish is of build {held and held[0]}, not of {build_id}.")
    return [
        Table(
            schemas[schema],
            table,
            tuple(found),
            f"{_quoted(catalog)}.{_quoted(schema)}.{_quoted(table)}",
            comments[schema, table],
        )
        for (schema, table), found in columns.items()
    ]


def _column(name: str, kind: str, comment: str | None = None) -> Column:
    """A DuckDB column as PostgreSQL is to have it: the same values, nested ones as jsonb."""
    quoted = _quoted(name)
    if kind.endswith("]") or re.match(r"(STRUCT|MAP|UNION|VARIANT)\b", kind):
        return Column(name, "jsonb", f"cast(to_json({quoted}) as varchar)", comment)
    if kind == "BLOB":
        return Column(name, "bytea", rf"'\x' || hex({quoted})", comment)
    if decimal := re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", kind):
        return Column(name, f"numeric({decimal[1]},{decimal[2]})", f"cast({quoted} as varchar)", comment)
    return Column(name, TYPES.get(kind, "text"), f"cast({quoted} as varchar)", comment)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# What PostgreSQL holds


def _relations(connection: psycopg.Connection, schemas: Sequence[str]) -> dict[tuple[str, str], Table]:
    """Every table and view of some schemas, with its columns and comments."""
    found: dict[tuple[str, str], Table] = {}
    for schema, name, comment, column, kind, column_comment in connection.execute(
        """
        select namespace.nspname, class.relname, obj_description(class.oid, 'pg_class'),
            attribute.attname, format_type(attribute.atttypid, attribute.atttypmod),
            col_description(class.oid, attribute.attnum)
        from pg_class as class
        inner join pg_namespace as namespace on class.relnamespace = namespace.oid
        left join pg_attribute as attribute
            on attribute.attrelid = class.oid and attribute.attnum > 0 and not attribute.attisdropped
        where namespace.nspname = any(%s) and class.relkind in ('r', 'p', 'v', 'm', 'f')
        order by 1, 2, attribute.attnum
        """,
        [list(schemas)],
    ):
        before = found.get((schema, name))
        columns = before.columns if before else ()
        if column is not None:
            columns = (*columns, Column(column, kind, comment=column_comment))
        found[schema, name] = Table(schema, name, columns, comment=comment)
    return found


def _published_before(target: PostgresTarget, connection: psycopg.Connection) -> set[tuple[str, str]]:
    """The tables of the last publish; all others are somebody else's and are left alone."""
    operations = {key for key in _relations(connection, [target.operations])}
    if not operations >= {(target.operations, "publish_manifest"), (target.operations, "publish_tables")}:
        return set()
    marts = connection.execute(
        sql.SQL("select table_name from {} where schema_name = %s").format(
            sql.Identifier(target.operations, "publish_tables")
        ),
        [SCHEMA_OF_MARTS],
    ).fetchall()
    return operations | {(target.schema, name) for (name,) in marts}


# The exchange


def _lock_out_others(target: PostgresTarget, connection: psycopg.Connection) -> None:
    """Begins the transaction and makes sure that it is the only publish to the schema."""
    settings = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
    if connection.info.server_version >= 140000:
        settings["client_connection_check_interval"] = "1s"  # a killed publish must not go on deleting
    for name, value in settings.items():
        connection.execute(sql.SQL("set local {} = {}").format(sql.Identifier(name), value))
    key = f"bestand publish {target.schema}"
    try:
        connection.execute(sql.SQL("set local lock_timeout = {}").format(f"{OTHER_PUBLISH_SECONDS}s"))
        connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
    except errors.LockNotAvailable:
        raise PostgresBusy(
            f"Another publish to the PostgreSQL schema {target.schema} is under way; try again when it is done."
        ) from None


def _create_role(target: PostgresTarget, connection: psycopg.Connection) -> None:
    if connection.execute("select 1 from pg_roles where rolname = %s", [target.reader]).fetchone():
        return
    try:
        with connection.transaction():
            connection.execute(sql.SQL("create role {} nologin").format(sql.Identifier(target.reader)))
    except errors.InsufficientPrivilege:
        raise PostgresError(
            f"The PostgreSQL role {target.reader} does not exist and this user may not create it: have an "
            f"administrator run `create role {target.reader} nologin`, or name another role with {READER}."
        ) from None


def _create_schemas(connection: psycopg.Connection, schemas: Sequence[str]) -> None:
    # "create schema if not exists" would ask for the right to create schemas even where there is nothing to do
    rows = connection.execute("select nspname from pg_namespace where nspname = any(%s)", [list(schemas)]).fetchall()
    for schema in schemas:
        if (schema,) not in rows:
            connection.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))


def _load(
    connection: psycopg.Connection,
    source: duckdb.DuckDBPyConnection,
    tables: Sequence[Table],
    retired: Sequence[Table],
) -> int:
    """Gives every table its new rows. Tables whose columns change come last, as their readers must wait."""
    there = _relations(connection, sorted({table.schema for table in tables}))
    rows = 0
    changed = []
    for table in tables:
        before = there.get(table.key)
        if before is None:
            columns = sql.SQL(", ").join(_definition(column) for column in table.columns)
            connection.execute(sql.SQL("create table {} ({})").format(table.identifier, columns))
        elif _shape(before) != _shape(table):
            changed.append(table)
            continue
        else:
            connection.execute(sql.SQL("delete from {}").format(table.identifier))
        rows += _copy(connection, source, table)
    if changed or retired:
        _lock_tables(connection, [*changed, *retired])
        for table in changed:
            _reshape(connection, there[table.key], table)
            connection.execute(sql.SQL("delete from {}").format(table.identifier))
            rows += _copy(connection, source, table)
        for table in retired:
            connection.execute(sql.SQL("drop table {}").format(table.identifier))
    for table in tables:
        _comment(connection, there.get(table.key), table)
    return rows


def _shape(table: Table) -> set[tuple[str, str]]:
    """The columns without their order: those that came with a later version stand at the end."""
    return {(column.name, column.kind) for column in table.columns}


def _definition(column: Column) -> sql.Composed:
    return sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.kind))


def _reshape(connection: psycopg.Connection, before: Table, table: Table) -> None:
    """Changes the columns in place: views on the others, indexes and grants stay, and older snapshots remain right."""
    gone, new = _shape(before) - _shape(table), _shape(table) - _shape(before)
    steps = [
        sql.SQL("drop column {}").format(sql.Identifier(column.name))
        for column in before.columns
        if (column.name, column.kind) in gone
    ]
    steps += [
        sql.SQL("add column {}").format(_definition(column))
        for column in table.columns
        if (column.name, column.kind) in new
    ]
    connection.execute(sql.SQL("alter table {} {}").format(table.identifier, sql.SQL(", ").join(steps)))


def _lock_tables(connection: psycopg.Connection, tables: Sequence[Table]) -> None:
    """Has tables for oneself, without keeping their readers waiting for longer than a moment."""
    names = sql.SQL(", ").join(table.identifier for table in tables)
    deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
    while True:
        try:
            with connection.transaction():
                connection.execute(sql.SQL("set local statement_timeout = {}").format(LOCK_MILLISECONDS))
                connection.execute(sql.SQL("lock table {} in access exclusive mode").format(names))
                connection.execute("set local statement_timeout = 0")
            return
        except (errors.QueryCanceled, errors.LockNotAvailable):
            if time.monotonic() > deadline:
                raise PostgresError(
                    f"The columns of {', '.join('.'.join(table.key) for table in tables)} have changed, and the tables "
                    f"could not be changed within {LOCK_PATIENCE_SECONDS:.0f} seconds because {_holders(connection)} "
                    "has not ended: end it, then refresh again."
                ) from None
            time.sleep(LOCK_PAUSE_SECONDS)


def _holders(connection: psycopg.Connection) -> str:
    """Who keeps tables locked, as administrators know them."""
    found = connection.execute(
        """
        select distinct activity.pid, activity.usename, activity.xact_start
        from pg_locks as held
        inner join pg_stat_activity as activity on held.pid = activity.pid
        where held.locktype = 'relation' and held.granted and held.pid <> pg_backend_pid()
            and activity.datname = current_database() and activity.xact_start is not null
        order by activity.xact_start
        limit 1
        """
    ).fetchone()
    return f"the transaction of {found[1]} (process {found[0]})" if found else "another transaction"


def _copy(connection: psycopg.Connection, source: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Streams the rows of a table; a few thousand are in memory at a time. Values travel as text, which is exact."""
    rows = source.execute(f"select {', '.join(column.text for column in table.columns)} from {table.source}")
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    with connection.cursor() as cursor:
        with cursor.copy(sql.SQL("copy {} ({}) from stdin").format(table.identifier, names)) as copy:
            while batch := rows.fetchmany(ROWS_AT_ONCE):
                for row in batch:
                    copy.write_row(row)
        return cursor.rowcount


def _comment(connection: psycopg.Connection, before: Table | None, table: Table) -> None:
    """Carries the descriptions over, where they have changed."""
    if table.comment != (before.comment if before else None):
        connection.execute(sql.SQL("comment on table {} is {}").format(table.identifier, table.comment))
    # a column whose type has changed is a new one
    old = {(column.name, column.kind): column.comment for column in before.columns} if before else {}
    for column in table.columns:
        if column.comment != old.get((column.name, column.kind)):
            name = sql.Identifier(table.schema, table.name, column.name)
            connection.execute(sql.SQL("comment on column {} is {}").format(name, column.comment))


def _check(connection: psycopg.Connection, source: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
    """Compares the number of rows of every table."""
    for table in tables:
        expected = source.execute(f"select count(*) from {table.source}").fetchone()
        found = connection.execute(sql.SQL("select count(*) from {}").format(table.identifier)).fetchone()
        if expected != found:
            raise PostgresError(
                f"PostgreSQL holds {found and found[0]} rows of {'.'.join(table.key)} where {expected and expected[0]} "
                "were sent: is there a trigger or a rule on it?"
            )


def _settle_rights(target: PostgresTarget, connection: psycopg.Connection) -> None:
    schemas = [target.schema, target.operations]
    _close_to_public(connection, schemas)
    _grant(target, connection, schemas)
    if not target.has_directory:
        _forget_directory(target, connection)


def _close_to_public(connection: psycopg.Connection, schemas: Sequence[str]) -> None:
    """PUBLIC has nothing, also where the database's default privileges would give it something."""
    for schema in schemas:
        name = sql.Identifier(schema)
        if connection.execute(
            "select 1 from pg_namespace, aclexplode(nspacl) as acl where nspname = %s and acl.grantee = 0", [schema]
        ).fetchone():
            connection.execute(sql.SQL("revoke all on schema {} from public").format(name))
        if connection.execute(
            "select 1 from pg_class, aclexplode(relacl) as acl"
            " where relnamespace = (select oid from pg_namespace where nspname = %s) and acl.grantee = 0",
            [schema],
        ).fetchone():
            connection.execute(sql.SQL("revoke all on all tables in schema {} from public").format(name))


def _grant(target: PostgresTarget, connection: psycopg.Connection, schemas: Sequence[str]) -> None:
    """The reader may read every table, and nothing else; other grants that were made by hand stay."""
    reader = sql.Identifier(target.reader)
    for schema in schemas:
        name = sql.Identifier(schema)
        if not _may(connection, "select has_schema_privilege(%s, %s, 'usage')", target.reader, schema):
            connection.execute(sql.SQL("grant usage on schema {} to {}").format(name, reader))
        every_table = (
            "select bool_and(has_table_privilege(%s, oid, 'select')) from pg_class where relkind in ('r', 'p') and "
            "relnamespace = (select oid from pg_namespace where nspname = %s)"
        )
        if not _may(connection, every_table, target.reader, schema):
            connection.execute(sql.SQL("grant select on all tables in schema {} to {}").format(name, reader))


def _may(connection: psycopg.Connection, question: LiteralString, *parameters: str) -> bool:
    row = connection.execute(question, parameters).fetchone()
    return row is not None and row[0] is True


def _forget_directory(target: PostgresTarget, connection: psycopg.Connection) -> None:
    """Where names are no longer wanted, those of earlier publishes go."""
    if _directory(target) in _relations(connection, [target.restricted]):
        connection.execute(sql.SQL("delete from {}").format(sql.Identifier(*_directory(target))))


def _directory(target: PostgresTarget) -> tuple[str, str]:
    return target.restricted, "account_directory"


def _vacuum(connection: psycopg.Connection, tables: Sequence[tuple[str, str]]) -> None:
    """Frees the old rows and counts the new ones. The publish is done: what fails here autovacuum makes up for."""
    with suppress(psycopg.Error):
        connection.autocommit = True
        connection.execute("set lock_timeout = '5s'")
        there = _relations(connection, sorted({schema for schema, _ in tables}))
        for table in tables:
            if table in there:
                # giving pages back to the system would lock readers out for a moment; the next publish fills them again
                name = sql.Identifier(*table)
                connection.execute(sql.SQL("vacuum (analyze, truncate false) {}").format(name))


# The connection and what it says when it fails


@contextmanager
def _connect(target: PostgresTarget, purpose: str) -> Iterator[psycopg.Connection]:
    try:
        given = conninfo_to_dict(target.url)
    except psycopg.ProgrammingError:  # its message quotes the string
        raise PostgresError(
            f"{URL} is not a connection string; expected postgresql://user@host/database or host=... dbname=..."
        ) from None
    more = {"application_name": f"bestand {purpose}"}
    if "connect_timeout" not in given and "PGCONNECT_TIMEOUT" not in os.environ:
        more["connect_timeout"] = str(CONNECT_SECONDS)
    connection = psycopg.connect(make_conninfo(target.url, **more))
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def _one_sentence(target: PostgresTarget) -> Iterator[None]:
    """Turns what PostgreSQL and DuckDB say into one sentence without secrets and without rows."""
    try:
        yield
    except errors.DependentObjectsStillExist as error:
        dependents = "; ".join((error.diag.message_detail or "").splitlines())
        raise PostgresError(
            f"The columns of the marts have changed and something in PostgreSQL rests on the old ones ({dependents}): "
            "drop it, refresh, and make it anew."
        ) from None
    except psycopg.Error as error:
        said = error.diag.message_primary or str(error).strip().split("\n")[0]
        raise PostgresError(f"PostgreSQL: {_without_secrets(target, said)}") from None
    except warehouse.NoMarts as error:
        raise PostgresError(str(error)) from None
    except duckdb.Error as error:
        raise PostgresError(f"What is to be published cannot be read: {str(error).splitlines()[0]}") from None


def _without_secrets(target: PostgresTarget, text: str) -> str:
    given = conninfo_to_dict(target.url)
    secrets = {target.url, os.environ.get("PGPASSWORD"), given.get("password"), given.get("sslpassword")}
    for secret in secrets:
        if secret:
            text = text.replace(str(secret), "***")
    return text
