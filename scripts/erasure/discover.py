"""Finds all that belongs to the subject of an erasure: merged accounts, contacts, keys of its rows, its names."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb

from .. import paths
from ..refresh.state import literal
from . import textfiles
from .places import Places
from .plan import Plan, fresh_key, worth_looking_for
from .rules import Rules
from .tables import Table, columns_of, connection_for, insert, settle, tables_of

INTEGERS = {
    "TINYINT": 2**7, "SMALLINT": 2**15, "INTEGER": 2**31, "BIGINT": 2**63, "HUGEINT": 2**63,
    "UTINYINT": 2**8, "USMALLINT": 2**16, "UINTEGER": 2**32, "UBIGINT": 2**63,
}  # fmt: skip
EXACT_IN_JSON = 2**53


def discover(places: Places, rules: Rules, kind: str, subject: str) -> Plan | None:
    """The plan to erase the subject; None where nobody knows it."""
    with _everything(places, rules) as found:
        return found.plan(kind, subject)


@contextmanager
def _everything(places: Places, rules: Rules) -> Iterator[_Everything]:
    with connection_for(places.spill) as connection:
        found = _Everything(connection, rules)
        for number, path in enumerate(dict.fromkeys(one.resolve() for one in places.databases())):
            settle(path)
            connection.execute(f"attach {literal(path)} as held_{number} (read_only)")
            for _, table in tables_of(connection, f"held_{number}"):
                found.tables.append(table)
                found.learn_forms(table)
        for entity, path in [*places.input_files(), *places.held_files(), *places.restricted_files()]:
            if path.suffix.lower() == ".parquet":
                source = f"read_parquet({literal(path)}, hive_partitioning = false)"
                table = Table(entity, source, columns_of(connection, source))
                found.tables.append(table)
                found.learn_forms(table)
            elif entity in rules.contract:
                found.load(entity, path)
        yield found


class _Everything:
    def __init__(self, connection: duckdb.DuckDBPyConnection, rules: Rules) -> None:
        self.connection, self.rules = connection, rules
        self.tables: list[Table] = []
        self.forms: dict[str, tuple[str, int]] = {}

    def load(self, entity: str, path: Path) -> None:
        """Makes the keys and the personal columns of a CSV or JSON file a table."""
        name = f"input_{len(self.tables)}"
        try:
            rows = [one.values for one in textfiles.records(path, self.rules, entity) if one.values]
        except textfiles.Unreadable as error:
            raise textfiles.Unreadable(f"{path.name} {error}") from error
        names = list(dict.fromkeys(name for row in rows for name in row))
        names = [one for one in names if self.rules.kind(one) or one in self.rules.personal]
        if not names:
            return
        self.connection.execute(f"create temp table {name} ({', '.join(f'{_quoted(one)} varchar' for one in names)})")
        insert(self.connection, name, [tuple(_valid(row.get(one)) for one in names) for row in rows])
        self.tables.append(Table(entity, name, dict.fromkeys(names, "VARCHAR")))
        for column in textfiles.integer_columns(path):
            self._form(column, "integer", EXACT_IN_JSON)

    def learn_forms(self, table: Table) -> None:
        """Notes the keys that are not text in this file: their new values must fit."""
        for column, type_ in table.columns.items():
            if type_.upper() in INTEGERS:
                self._form(column, "integer", INTEGERS[type_.upper()] - 1)
            elif type_.upper() == "UUID":
                self._form(column, "uuid", 0)

    def plan(self, kind: str, subject: str) -> Plan | None:
        plan = Plan(kind, subject)
        if kind == "account":
            plan.accounts = sorted(self._merged_with(subject))
            if not any(self._has(table, "account", plan.accounts) for table in self.tables):
                return None
            plan.contacts_gone = sorted(self._contacts_of(plan.accounts))
        else:
            plan.contacts = [subject]
            if not any(self._has(table, "contact", plan.contacts) for table in self.tables):
                return None
        contacts = [*plan.contacts, *plan.contacts_gone]
        keys: dict[str, set[str]] = {"account": set(plan.accounts), "contact": set(contacts)}
        gone: set[str] = set()
        for table in self.tables:
            for column in table.columns if plan.accounts else ():
                of = self.rules.kind(column)
                if of in (None, "account", "contact") or self.rules.is_countless(str(of)):
                    continue
                found = self._values(table, column, table.owners(), plan.accounts)
                if of == "alert":
                    plan.alerts = sorted({*plan.alerts, *found})
                elif self.rules.stays(str(of)):
                    keys.setdefault(str(of), set()).update(found)
                else:
                    gone |= found
        plan.alerts = sorted({*plan.alerts, *self._answered_alerts(plan.accounts)})
        plan.gone = sorted(gone)
        plan.texts = sorted(self._texts(plan.accounts, contacts))
        plan.homes = sorted(self._homes(plan.contacts))
        plan.parts = sorted(self._name_parts(plan.contacts))
        for of, olds in keys.items():
            if olds:
                form = self.forms.get(of, ("text", 0))
                taken = self._taken(of) if form[0] == "integer" else set()
                plan.keys[of] = {old: fresh_key(form, taken) for old in sorted(olds)}
        return plan

    def _merged_with(self, account: str) -> set[str]:
        edges: set[tuple[str, str]] = set()
        for table in self.tables:
            if "merged_into" in table.columns:
                for column in table.owners():
                    edges |= set(
                        self.connection.execute(
                            f"select distinct {_trimmed(column)}, {_trimmed('merged_into')} from {table.source}"
                            f" where {_trimmed('merged_into')} <> '' and {_trimmed(column)} <> ''"
                        ).fetchall()
                    )
            if self.rules.entity(table.name) == "accounts" and "source_account_id" in table.columns:
                edges |= set(
                    self.connection.execute(
                        f"select distinct {_trimmed('source_account_id')}, {_trimmed('account_id')} from {table.source}"
                        " where source_account_id <> account_id"
                    ).fetchall()
                )
        found = {account}
        while more := {one for edge in edges if found.intersection(edge) for one in edge} - found:
            found |= more
        return found

    def _contacts_of(self, accounts: list[str]) -> set[str]:
        """Contacts of these accounts and of no other."""
        theirs: set[str] = set()
        others: set[str] = set()
        for table in self.tables:
            if self.rules.entity(table.name) == "contacts" and {"contact_id", "account_id"} <= table.columns.keys():
                owners = table.owners()
                theirs |= self._values(table, "contact_id", owners, accounts)
                others |= self._values(table, "contact_id", owners, accounts, other=True)
        return theirs - others

    def _answered_alerts(self, accounts: list[str]) -> set[str]:
        """Alerts of days that no kept build shows: their id is the hash of account, signal and day."""
        if not accounts:
            return set()
        found: set[str] = set()
        for table in self.tables:
            if self.rules.entity(table.name) == "alert_feedback" and "alert_id" in table.columns:
                rows = self.connection.execute(
                    f"""
                    with signals as (select unnest($signals) as signal),
                    accounts as (select unnest($accounts) as account),
                    days as (select date '2000-01-01' + cast(n as integer) as day from range($days) as counted (n))
                    select distinct trim(alert_id) from {table.source}
                    where trim(alert_id) in (
                        select md5(concat(account, '|', signal, '|', cast(day as varchar)))
                        from signals, accounts, days
                    )
                    """,
                    {"signals": _signals(), "accounts": accounts, "days": _days()},
                ).fetchall()
                found |= {row[0] for row in rows}
        return found

    def _texts(self, accounts: list[str], contacts: list[str]) -> set[str]:
        found: set[str] = set()
        for table in self.tables:
            theirs = [name for name in table.columns if self.rules.kind(name) == "contact"]
            for column in table.columns:
                if column.lower() not in self.rules.personal:
                    continue
                values = self._values(table, column, table.owners(), accounts)
                if column.lower() != "account_name":
                    values |= self._values(table, column, theirs, contacts)
                free = column.lower() in self.rules.free_text
                found |= {one for one in values if worth_looking_for(one, free=free)}
        return found

    def _homes(self, contacts: list[str]) -> set[str]:
        """The accounts these contacts are or were at."""
        found: set[str] = set()
        for table in self.tables:
            if self.rules.entity(table.name) == "contacts" and "contact_id" in table.columns:
                for owner in table.owners():
                    found |= self._values(table, owner, ["contact_id"], contacts)
        return found

    def _name_parts(self, contacts: list[str]) -> set[str]:
        names: set[str] = set()
        for table in self.tables:
            if {"contact_id", "full_name"} <= table.columns.keys():
                names |= self._values(table, "full_name", ["contact_id"], contacts)
        return {part for name in names for part in name.split() if worth_looking_for(part, free=False)}

    def _has(self, table: Table, kind: str, ids: list[str]) -> bool:
        columns = [name for name in table.columns if self.rules.kind(name) == kind]
        return any(self._values(table, name, [name], ids) for name in columns)

    def _taken(self, kind: str) -> set[str]:
        found: set[str] = set()
        for table in self.tables:
            for column in table.columns:
                if self.rules.kind(column) == kind:
                    found |= self._distinct(table, column, "true", {})
        return found

    def _values(
        self, table: Table, column: str, owners: Iterable[str], ids: list[str], *, other: bool = False
    ) -> set[str]:
        """The values of a column in rows of which one of the columns `owners` is among `ids` (or is another)."""
        conditions = [f"{_trimmed(owner)} {'not in' if other else 'in'} (select unnest($ids))" for owner in owners]
        if not conditions or not ids:
            return set()
        return self._distinct(table, column, " or ".join(conditions), {"ids": ids})

    def _distinct(self, table: Table, column: str, where: str, parameters: dict[str, list[str]]) -> set[str]:
        rows = self.connection.execute(
            f"select distinct {_trimmed(column)} from {table.source} where ({where}) and {_trimmed(column)} <> ''",
            parameters,
        ).fetchall()
        return {row[0] for row in rows}

    def _form(self, column: str, form: str, largest: int) -> None:
        kind = self.rules.kind(column)
        if kind:
            known = self.forms.get(kind, (form, largest))
            self.forms[kind] = (form, min(known[1], largest))


def _signals() -> list[str]:
    with (paths.ROOT / "seeds" / "reference" / "signals.csv").open(newline="", encoding="utf-8") as file:
        return [row["signal"] for row in csv.DictReader(file)]


def _days() -> int:
    return (date.today() - date(2000, 1, 1)).days + 366


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _trimmed(column: str) -> str:
    return f"trim(cast({_quoted(column)} as varchar))"


def _valid(value: str | None) -> str | None:
    return None if value is None else value.encode("utf-8", "replace").decode()
