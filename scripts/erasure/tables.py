"""Rewrites tables, DuckDB files and Parquet files without the subject of an erasure.

A DuckDB file keeps what was deleted or overwritten in its free blocks. So nothing is updated in place: every row is
read from the old file and written, as it is to be, into a fresh one that then takes the old one's name.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ..refresh.layout import sync
from ..refresh.state import literal
from .plan import Plan, is_distinctive
from .rules import OWNERS, RAW, Rules

TOKENS = "[A-Za-z0-9_-]+"
STRINGS_AT_ONCE = 500
NAMED = ("account_name", "full_name", "email")
ORDINAL = "erasing_ordinal"
OURS = ("source_account_id", "build_id", ORDINAL)  # columns that the project adds to the rows of an entity


@dataclass(frozen=True)
class Table:
    """A relation: its name (which says what is in it), how to read it, its columns and their types."""

    name: str
    source: str
    columns: dict[str, str]

    def owners(self) -> list[str]:
        """The columns that say whose account a row is."""
        return [name for name in self.columns if name.lower() in OWNERS]


@dataclass(frozen=True)
class Touched:
    """How many rows of a table an erasure removes, and how many it changes."""

    removed: int
    changed: int

    def __bool__(self) -> bool:
        return bool(self.removed or self.changed)


class Rewriter:
    """The rules of one erasure as SQL, in one connection that reads the old and writes the new."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, plan: Plan, rules: Rules) -> None:
        self.connection, self.plan, self.rules = connection, plan, rules
        self._texts_made = 0
        connection.execute("create or replace temp table erase_keys (kind varchar, old varchar, new varchar)")
        connection.execute("create or replace temp table erase_ids (kind varchar, id varchar)")
        connection.execute("create or replace temp table erase_tokens (token varchar)")
        connection.execute("create or replace temp table erase_needles (needle varchar)")
        keys = [(kind, old, new) for kind, mapping in plan.keys.items() for old, new in mapping.items()]
        insert(connection, "erase_keys", keys)
        ids = [("account", one) for one in plan.accounts]
        ids += [("contact", one) for one in [*plan.contacts, *plan.contacts_gone]]
        ids += [("contact_gone", one) for one in plan.contacts_gone]
        ids += [("alert", one) for one in plan.alerts]
        ids += [("home", one) for one in plan.homes]
        insert(connection, "erase_ids", ids)
        insert(connection, "erase_tokens", [(one,) for one in plan.replaced])
        odd = [one.lower() for one in plan.replaced if is_distinctive(one)]
        insert(connection, "erase_needles", [(one,) for one in [*plan.needles, *odd]])

    def touched(self, table: Table) -> Touched:
        """What there is to do; also prepares what `query` gives until the next table is looked at."""
        self._prepare(table)
        removed, changed = self._removed, " or ".join(f"({one})" for one in self._changes) or "false"
        if removed == "false" and changed == "false":
            return Touched(0, 0)
        row = self.connection.execute(
            f"select count(*) filter ({removed}), count(*) filter (not ({removed}) and ({changed})) from {self._from}"
        ).fetchone()
        return Touched(*row) if row else Touched(0, 0)

    def query(self) -> str:
        """The rows of the table as they are to be."""
        return f"select {', '.join(self._columns)} from {self._from} where not ({self._removed})"

    def _prepare(self, table: Table) -> None:
        rules, plan = self.rules, self.plan
        entity = rules.entity(table.name)
        of_account = _any(self._is_one(name, "account") for name in table.owners())
        contacts = [name for name in table.columns if rules.kind(name) == "contact"]
        of_contact = _any(self._is_one(name, "contact") for name in contacts)
        self._removed = self._removal(table, entity, of_account, contacts)
        self._from = f"{table.source} as one"
        self._columns, self._changes = [], []
        for number, (name, type_) in enumerate(table.columns.items()):
            column, own = f'one."{name}"', type_.upper()
            kind, new = rules.kind(name), f"key_{number}.new"
            if kind in plan.keys:
                self._from += (
                    f" left join erase_keys as key_{number} on key_{number}.kind = {literal(str(kind))}"
                    f" and key_{number}.old = trim(cast({column} as varchar))"
                )
                self._columns.append(
                    f'case when {new} is null then {column} else cast({new} as {type_}) end as "{name}"'
                )
                self._changes.append(f"{new} is not null")
            elif name.lower() in rules.personal:
                self._blank(name, self._emptied(name, entity, table, of_account, of_contact))
            elif name.lower() in RAW:
                self._blank(name, _any([of_account, of_contact, self._mentions(table, name)]))
            elif entity and not rules.knows(entity, name) and not _is_ours(table.name, name):
                # nobody can tell what is in a column that the contract does not know
                self._blank(name, _any([of_account, of_contact]))
            elif own in ("VARCHAR", "JSON") and not entity:
                self._texts(number, table, name, type_)
            elif "VARCHAR" in own and own != "VARCHAR" and not entity:
                self._blank(name, self._mentions(table, name))
            else:
                self._columns.append(column)

    def _removal(self, table: Table, entity: str | None, of_account: str, contacts: Sequence[str]) -> str:
        if entity == "erasure_requests" and {"subject_kind", "subject_id"} <= table.columns.keys():
            ids = "select id from erase_ids where erase_ids.kind = {}"
            return _any(
                f"(trim(cast(one.subject_kind as varchar)) = '{kind}'"
                f" and coalesce(trim(cast(one.subject_id as varchar)) in ({ids.format(literal(kind))}), false))"
                for kind in ("account", "contact")
            )
        if not self.rules.removes(table.name):
            return "false"
        found = [of_account]
        if not table.owners() or entity == "contacts":
            found += [self._is_one(name, "contact_gone") for name in contacts]
        found += [self._is_one(name, "alert") for name in table.columns if self.rules.kind(name) == "alert"]
        return _any(found)

    def _emptied(self, name: str, entity: str | None, table: Table, of_account: str, of_contact: str) -> str:
        needles = "select needle from erase_needles"
        is_named = f'coalesce(lower(trim(cast(one."{name}" as varchar))) in ({needles}), false)'
        at_home = _any(self._is_one(owner, "home") for owner in table.owners())
        if name.lower() != "account_name":
            found = [of_account, of_contact]
        elif at_home == "false":
            found = [of_account]
        else:  # where the customer is a person, the account bears the name of the contact
            found = [of_account, f"({at_home} and {is_named})"]
        if name.lower() in self.rules.free_text:
            found += [self._mentions(table, name), *self._mentions_in_part(table, name)]
        elif entity and self.rules.contract[entity]["key"][0] in table.columns:
            # a row that came without its key: nothing but the name says whose it is
            key = self.rules.contract[entity]["key"][0]
            found.append(f"(nullif(trim(cast(one.\"{key}\" as varchar)), '') is null and {is_named})")
        return _any(found)

    def _blank(self, name: str, when: str) -> None:
        column = f'one."{name}"'
        self._columns.append(column if when == "false" else f'case when {when} then null else {column} end as "{name}"')
        if when != "false":
            self._changes.append(f"({when}) and {column} is not null")

    def _texts(self, number: int, table: Table, name: str, type_: str) -> None:
        """A column of sentences or JSON: what mentions the subject is replaced by the same without it."""
        column = f'one."{name}"'
        found = [(old, new) for old in self._mentioning(table, name) if (new := self.plan.scrub(old)) != old]
        if not found:
            self._columns.append(column)
            return
        self._texts_made += 1
        texts = f"erase_texts_{self._texts_made}"
        self.connection.execute(f"create or replace temp table {texts} (old varchar, new varchar)")
        insert(self.connection, texts, found)
        self._from += f" left join {texts} on {texts}.old = cast({column} as varchar)"
        self._columns.append(
            f'case when {texts}.old is null then {column} else cast({texts}.new as {type_}) end as "{name}"'
        )
        self._changes.append(f"{texts}.old is not null")

    def _mentions(self, table: Table, name: str) -> str:
        """Whether a text names the subject, as a condition; false where none does."""
        found = [one for one in self._mentioning(table, name) if self.plan.names(one)]
        if not found:
            return "false"
        return f'cast(one."{name}" as varchar) in ({", ".join(literal(one) for one in found)})'

    def _mentions_in_part(self, table: Table, name: str) -> list[str]:
        """The same of texts about the account of an erased contact, where a part of his name is enough."""
        at_home = _any(self._is_one(owner, "home") for owner in table.owners())
        if at_home == "false" or not self.plan.parts:
            return []
        column = f'cast(one."{name}" as varchar)'
        rows = self.connection.execute(
            f"select distinct {column} from {table.source} as one where {at_home} and {column} is not null"
        ).fetchall()
        found = [row[0] for row in rows if self.plan.names_in_part(row[0])]
        return [f"({at_home} and {column} in ({', '.join(literal(one) for one in found)}))"] if found else []

    def _mentioning(self, table: Table, name: str) -> list[str]:
        """The values that could name the subject, to be looked at one by one."""
        column = f'cast("{name}" as varchar)'
        rows = self.connection.execute(
            f"""
            with texts as (select distinct {column} as one from {table.source} where {column} is not null)
            select one from texts
            where
                list_has_any(regexp_extract_all(one, '{TOKENS}'), (select list(token) from erase_tokens))
                or exists (select 1 from erase_needles where contains(lower(texts.one), needle))
            """
        ).fetchall()
        return [row[0] for row in rows]

    def _is_one(self, name: str, kind: str) -> str:
        ids = f"select id from erase_ids where erase_ids.kind = '{kind}'"
        return f'coalesce(trim(cast(one."{name}" as varchar)) in ({ids}), false)'


def rewrite_database(
    path: Path, plan: Plan, rules: Rules, spill: Path, *, into: Path | None = None, always: bool = False
) -> dict[str, Touched]:
    """Writes the DuckDB file anew, in place or as the file `into`; gives what was done to which table.

    Comments, views, constraints and the storage version stay. Without `always` a file without the subject is left as
    it is. duckdb.IOException: another process has it open.
    """
    settle(path)
    fresh = into or path.with_name(f".erasing-{path.name}")
    fresh.unlink(missing_ok=True)
    done: dict[str, Touched] = {}
    with connection_for(spill) as connection:
        connection.execute(f"attach {literal(path)} as old (read_only)")
        rewriter = Rewriter(connection, plan, rules)
        tables = list(tables_of(connection, "old"))
        queries = {}
        for schema, table in tables:
            touched = rewriter.touched(table)
            queries[schema, table.name] = rewriter.query() if touched else f"from {table.source}"
            if touched:
                done[f"{schema}.{table.name}"] = touched
        if not done and not always:
            return {}
        version = storage_version(connection, "old")
        connection.execute(f"attach {literal(fresh)} as new (storage_version {literal(version)})")
        connection.execute("copy from database old to new (schema)")
        for schema, table in tables:
            connection.execute(f'insert into new."{schema}"."{table.name}" {queries[schema, table.name]}')
        connection.execute("detach new")
    fresh.with_name(f"{fresh.name}.wal").unlink(missing_ok=True)
    shutil.copymode(path, fresh)
    sync(fresh)
    if into is None:
        fresh.replace(path)
        sync(path.parent)
    return done


def mentioning(path: Path, strings: Sequence[str], spill: Path) -> list[str]:
    """The tables of a DuckDB file in which one of the strings stands in any column, by itself or in a text.

    Names and addresses of persons and accounts are left out: there a namesake may stand.
    """
    with connection_for(spill) as connection:
        connection.execute(f"attach {literal(path)} as old (read_only)")
        return [
            f"{schema}.{table.name}"
            for schema, table in tables_of(connection, "old")
            if _mentions_any(connection, table, [name for name in table.columns if name not in NAMED], strings)
        ]


def _mentions_any(
    connection: duckdb.DuckDBPyConnection, table: Table, columns: Sequence[str], strings: Sequence[str]
) -> bool:
    row = "concat_ws(chr(31), '', " + ", ".join(f'cast("{name}" as varchar)' for name in columns) + ")"
    for start in range(0, len(strings), STRINGS_AT_ONCE):
        some = "|".join(re.escape(one) for one in strings[start : start + STRINGS_AT_ONCE])
        bounded = f"(^|[^A-Za-z0-9_-])({some})($|[^A-Za-z0-9_-])"
        found = connection.execute(
            f"select 1 from {table.source} where regexp_matches({row}, ?, 'i') limit 1", [bounded]
        ).fetchone()
        if found:
            return True
    return False


def rewrite_parquet(path: Path, table: str, plan: Plan, rules: Rules, spill: Path) -> Touched:
    """Writes a Parquet file anew, in place, with its types, compression and metadata; not where nothing is to do."""
    with connection_for(spill) as connection:
        source = f"read_parquet({literal(path)}, hive_partitioning = false)"
        found = Table(table, source, columns_of(connection, source))
        rewriter = Rewriter(connection, plan, rules)
        touched = rewriter.touched(found)
        if touched:
            fresh = path.with_name(f".erasing-{path.name}")
            fresh.unlink(missing_ok=True)
            connection.execute(f"copy ({rewriter.query()}) to {literal(fresh)} ({_parquet_options(connection, path)})")
            shutil.copymode(path, fresh)
            sync(fresh)
            fresh.replace(path)
            sync(path.parent)
    return touched


def settle(path: Path) -> None:
    """Brings what a crash has left in the log of a DuckDB file into the file, and removes what it had spilled."""
    wal = path.with_name(f"{path.name}.wal")
    if wal.exists():
        with duckdb.connect(str(path)) as connection:
            connection.execute("checkpoint")
        wal.unlink(missing_ok=True)
    shutil.rmtree(path.with_name(f"{path.name}.tmp"), ignore_errors=True)


@contextmanager
def connection_for(spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to no database, which spills into a folder that is removed with it."""
    connection = duckdb.connect()
    try:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set temp_directory = {literal(spill)}")
        yield connection
    finally:
        connection.close()
        shutil.rmtree(spill, ignore_errors=True)


def tables_of(connection: duckdb.DuckDBPyConnection, database: str) -> Iterator[tuple[str, Table]]:
    """Schema and table of every table of an attached database."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for schema, table, column, type_ in connection.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns() where database_name = ?"
        " and (schema_name, table_name) in"
        " (select (schema_name, table_name) from duckdb_tables() where database_name = ? and not internal)"
        " order by schema_name, table_name, column_index",
        [database, database],
    ).fetchall():
        found.setdefault((schema, table), {})[column] = type_
    for (schema, table), columns in found.items():
        yield schema, Table(table, f'{database}."{schema}"."{table}"', columns)


def columns_of(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    """Columns and types of a relation."""
    return {row[0]: row[1] for row in connection.execute(f"describe select * from {source}").fetchall()}


def storage_version(connection: duckdb.DuckDBPyConnection, database: str) -> str:
    """The version of the file format, as ATTACH wants it."""
    row = connection.execute(
        "select tags['storage_version'] from duckdb_databases() where database_name = ?", [database]
    ).fetchone()
    found = row[0] if row else None
    if isinstance(found, list):
        found = found[0] if found else None
    return str(found).rstrip("+").split(" ")[0] if found else "v1.5.0"


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[Any]]) -> None:
    """Appends rows to a table."""
    if rows:
        columns = [list(one) for one in zip(*rows, strict=True)]
        connection.execute(f"insert into {table} select {', '.join('unnest(?)' for _ in columns)}", columns)


def _parquet_options(connection: duckdb.DuckDBPyConnection, path: Path) -> str:
    row = connection.execute(
        f"select any_value(compression), max(row_group_num_rows) from parquet_metadata({literal(path)})"
    ).fetchone()
    compression, rows = row if row else (None, None)
    options = ["format parquet"]
    if compression:
        options.append(f"compression {str(compression).lower()}")
    if rows:
        options.append(f"row_group_size {max(int(rows), 2048)}")
    return ", ".join(options)


def _any(conditions: Iterator[str] | Sequence[str]) -> str:
    found = [one for one in conditions if one != "false"]
    return f"({' or '.join(found)})" if found else "false"


def _is_ours(table: str, column: str) -> bool:
    """Columns that the project adds to the rows of an entity."""
    return table.startswith(("validated_", "quarantine_", "stg_crm__")) or column in OURS
