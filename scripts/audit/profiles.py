"""Everything that is measured about the marts, by SQL in DuckDB: small results, whatever the size of the tables."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ..refresh.candidate import SCHEMA
from .spec import Bound, Each, Gap, Mart, Measure, Shares

# Row by row, at most so many rows are looked at; of larger marts those whose key has the smallest hash.
MOST_ROWS = 200_000
DAYS_PER_MONTH = 30.4375

# When a mart must have rows. Each fact is asked of whatever marts there are: one that says yes is enough.
FACTS: dict[str, tuple[str, ...]] = {
    "always": ("select true",),
    "accounts": (
        "select rows_accepted > rows_of_test_accounts + rows_of_merged_accounts from marts.input_accounting "
        "where entity = 'accounts'",
    ),
    "customers": ("select true from marts.account_clv where relationship <> 'none'",),
    "contract": (
        "select true from marts.account_clv where relationship = 'contract'",
        "select true from marts.account_months",
        "select true from marts.mrr_monthly",
        "select true from marts.mrr_movements",
        "select true from marts.account_health",
    ),
    "closed_months": (
        "select true from marts.account_months where is_complete and is_active_end",
        "select true from marts.mrr_monthly where is_complete and customers_end > 0",
    ),
    "shop": ("select true from marts.account_clv where relationship = 'no_contract'",),
    "losses": (
        "select true from marts.account_months where movement = 'churn'",
        "select true from marts.mrr_monthly where customers_churned > 0",
        "select true from marts.churn_by_segment where customers_churned > 0",
    ),
    "running_contracts": (
        "select arg_max(customers_end, month_start) > 0 from marts.mrr_monthly",
        "select true from marts.account_clv where relationship = 'contract' and is_active",
        "select true from marts.account_health",
    ),
    "signalled": (
        "select arg_max(customers_end, month_start) > 0 from marts.mrr_monthly",
        "select true from marts.account_clv where relationship <> 'none' and is_active",
        "select true from marts.account_health",
    ),
    "renewals": ("select true from marts.renewals",),
    "alerts": ("select true from marts.alerts",),
}

# The as-of date of a publish: as its manifest says, else as its marts show.
AS_OF = (
    "select max(as_of_date) from operations.publish_manifest",
    "select max(as_of_date) from marts.account_signals",
    "select max(as_of_date) from marts.account_health",
    "select max(as_of_date) from marts.clv_model_fits where is_current",
    "select max(date_trunc('month', month_start)) + interval 1 month from marts.mrr_monthly",
)

MISSING = (duckdb.CatalogException, duckdb.BinderException)


class AuditError(Exception):
    """The audit cannot be done; the message says why in one sentence."""


@dataclass(frozen=True)
class Value:
    """A measure, now and in the last publish; what is not known is None, and `why` says why nothing is compared."""

    now: float | None
    before: float | None
    base: float | None
    why: str = ""

    @property
    def percent(self) -> float | None:
        """Change in percent; -100 where nothing is left, None where there was nothing to compare with."""
        if not self.before:
            return 0.0 if self.before == 0 and self.now == 0 else None
        if self.now is None:
            return -100.0
        return 100 * (self.now - self.before) / abs(self.before)


@dataclass(frozen=True)
class Part:
    """One category of a dimension, or one labelled row: now and before (shares in percent, values as they are)."""

    of: str
    part: str
    now: float | None
    before: float | None
    base: float


class Profile:
    """The marts of the candidate that were to be built, and the last publish beside them, opened read-only."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        has_previous: bool,
        as_of: dt.date,
        marts: Collection[str],
        entities: Sequence[str],
    ) -> None:
        self._connection = connection
        self._literals = {"{as_of}": f"date '{as_of}'", "{entities}": f"{list(entities)!r}"}
        self.as_of = as_of
        # what else the candidate holds may be of another build
        self.columns = {mart: columns for mart, columns in self._tables("candidate").items() if mart in marts}
        self.previous_columns = self._tables("previous") if has_previous else {}
        self.previous_as_of = self._previous_as_of() if has_previous else None
        self.common = min(as_of, self.previous_as_of) if self.previous_as_of else as_of
        self._literals["{common}"] = f"date '{self.common}'"
        days = (as_of - self.previous_as_of).days if self.previous_as_of else 0
        self.months = days / DAYS_PER_MONTH
        self._facts: dict[str, bool] = {}

    # --- what there is ---

    def is_there(self, mart: str) -> bool:
        """Whether the candidate holds the mart."""
        return mart in self.columns

    def was_there(self, mart: str) -> bool:
        """Whether the last publish held it."""
        return mart in self.previous_columns

    def holds(self, fact: str) -> bool:
        """Whether a fact (FACTS) is known to hold in the candidate."""
        if fact not in self._facts:
            self._facts[fact] = any(
                bool(self._value("candidate", f"select coalesce((select bool_or(x) from ({query}) as t(x)), false)"))
                for query in FACTS[fact]
                if self._answerable(query)
            )
        return self._facts[fact]

    def rows(self, mart: str) -> int:
        """How many rows the mart has."""
        return int(self._value("candidate", f"select count(*) from marts.{mart}"))

    # --- frames and numbers ---

    def frame(self, mart: Mart, columns: Sequence[str], rows: int) -> tuple[Any, bool]:
        """Columns of a mart as a data frame, and whether that is only a part of its rows.

        Doubles are rounded to nine places, decimals become doubles, a NaN a negative infinity (pandas would take it for
        a null). The part is drawn by the hash of the key, so that rows of one key stay together.
        """
        types = self.columns[mart.name]
        select = ", ".join(_for_pandas(column, types[column], column in mart.nullable_key) for column in columns)
        drawn = ""
        if rows > MOST_ROWS:
            key = ", ".join(f"cast({column} as varchar)" for column in mart.key)
            share = int(0.975 * MOST_ROWS / rows * 1_000_000)
            drawn = f" where md5_number_lower(concat_ws('|', {key})) % 1000000 < {share} limit {MOST_ROWS}"
        self._connection.execute("use candidate")
        return self._connection.execute(f"select {select} from marts.{mart.name}{drawn}").df(), bool(drawn)

    def gap(self, gap: Gap) -> tuple[float, str] | None:
        """The largest gap and its place; None where there is nothing to look at. Raises AuditError if it fails."""
        row = self._one("candidate", f"select max(cast(gap as double)), arg_max(place, gap) from ({gap.sql}) as gaps")
        return None if row[0] is None else (max(float(row[0]), 0.0), str(row[1] or ""))

    def bound(self, bound: Bound) -> float | None:
        """The number that is held against fixed bounds; None where there is none."""
        row = self._rows("candidate", bound.sql)
        return None if not row or row[0][0] is None else float(row[0][0])

    def measures(self, mart: Mart, measures: Sequence[Measure]) -> list[Value]:
        """The measures now and in the last publish; one whose columns the last publish lacks is not compared."""
        found: dict[str, list[tuple[float | None, float | None] | None]] = {}
        for side in ("candidate", "previous"):
            found[side] = []
            for scope in ("closed", "state"):
                chosen = [one for one in measures if one.scope == scope]
                if chosen:
                    found[side] += self._measured(side, mart, scope, chosen)
        order = [one for scope in ("closed", "state") for one in measures if one.scope == scope]
        values = {}
        for measure, now, before in zip(order, found["candidate"], found["previous"], strict=True):
            if before is None:
                values[measure] = Value(None, None, None, "the last publish does not have its columns")
                continue
            why = "" if before[0] else "there was nothing in the last publish"
            values[measure] = Value(now[0] if now else None, before[0], before[1], why)
        return [values[measure] for measure in measures]

    def shares(self, mart: Mart, drift: Shares) -> list[Part] | None:
        """The categories of each dimension with their shares in percent; None where the last publish lacks a column."""
        where = f"({drift.where}) and ({mart.closed})" if drift.scope == "closed" else drift.where
        queries = [
            f"""select '{column}' as of, coalesce(cast({column} as varchar), '(null)') as part,
                cast({drift.weight} as double) as weight, count(*) as n
            from marts.{mart.name} where {where} group by all"""
            for column in drift.columns
        ]
        sql = f"""select of, part, 100e0 * weight / nullif(sum(weight) over (partition by of), 0),
            sum(n) over (partition by of) from ({" union all ".join(queries)}) order by of, part"""
        return self._parts(sql, sql, absent=0.0)

    def each(self, mart: Mart, each: Each) -> list[Part] | None:
        """The value of every label; None where the last publish lacks a column. Labels that are new are left out."""
        where = f" where {mart.closed}" if each.scope == "closed" else ""
        sql = f"""select '{each.name}', cast({each.label} as varchar), cast({each.value} as double),
            coalesce(cast({each.base} as double), 0)
        from marts.{mart.name}{where} order by 2"""
        parts = self._parts(sql, sql, absent=None)
        return None if parts is None else [part for part in parts if part.before]

    def restated(self, mart: Mart) -> list[Part]:
        """Of the closed rows that both have, the share in percent with another value, per column of `fixed`."""
        both = self.columns[mart.name].keys() & self.previous_columns[mart.name].keys()
        columns = [column for column in mart.fixed if column in both]
        if not columns or not both.issuperset(mart.key):
            return []
        now, before = (
            f"(select * from {side}.marts.{mart.name} where {mart.closed})" for side in ("candidate", "previous")
        )
        on = " and ".join(f"n.{key} = o.{key}" for key in mart.key)
        counts = ", ".join(
            f"100e0 * count_if(n.{column} is distinct from o.{column} and "
            f"coalesce(abs(try_cast(n.{column} as double) - try_cast(o.{column} as double)) > 1e-9, true)) / count(*)"
            for column in columns
        )
        row = self._rows(
            "candidate",
            f"""select count(distinct n.{mart.key[0]}), {counts}
            from {now} as n inner join {before} as o on {on}
            having count(*) > 0""",
        )
        return (
            [Part("restated", column, share, 0.0, row[0][0]) for column, share in zip(columns, row[0][1:], strict=True)]
            if row
            else []
        )

    def null_shares(self, mart: Mart) -> list[Part]:
        """The share of nulls in every column that both have, in percent; nothing where one of them has no rows."""
        columns = [
            column
            for column in self.columns[mart.name]
            if column in self.previous_columns[mart.name] and column not in (*mart.key, *mart.needed)
        ]
        if not columns:
            return []
        counts = ", ".join(f"100e0 * (count(*) - count({column})) / count(*)" for column in columns)
        now, before = (
            self._rows(side, f"select count(*), {counts} from marts.{mart.name} having count(*) > 0")
            for side in ("candidate", "previous")
        )
        if not now or not before:
            return []
        return [
            Part("nulls", column, new, old, before[0][0])
            for column, new, old in zip(columns, now[0][1:], before[0][1:], strict=True)
        ]

    # --- how it is asked ---

    def answerable(self, sql: str) -> bool:
        """Whether the candidate holds every mart that a query names."""
        return self._answerable(sql)

    def _answerable(self, sql: str) -> bool:
        return all(mart in self.columns for mart in re.findall(r"\bmarts\.(\w+)", sql))

    def _measured(
        self, side: str, mart: Mart, scope: str, measures: Sequence[Measure]
    ) -> list[tuple[float | None, float | None] | None]:
        rows = f"select * from marts.{mart.name}" + (f" where {mart.closed}" if scope == "closed" else "")

        def ask(some: Sequence[Measure]) -> Sequence[Any]:
            asked = ", ".join(f"cast({one.sql} as double), cast({one.base} as double)" for one in some)
            return self._one(side, f"select {asked} from ({rows}) as mart")

        try:
            row = ask(measures)
            return [(row[2 * at], row[2 * at + 1]) for at in range(len(measures))]
        except MISSING:
            if len(measures) == 1:
                return [None]
            return [self._measured(side, mart, scope, [one])[0] for one in measures]

    def _parts(self, now_sql: str, before_sql: str, absent: float | None) -> list[Part] | None:
        try:
            now = {(row[0], row[1]): row for row in self._rows("candidate", now_sql)}
            before = {(row[0], row[1]): row for row in self._rows("previous", before_sql)}
        except MISSING:
            return None
        both = {of for of, _ in now} & {of for of, _ in before}
        parts = []
        for of, part in sorted({*now, *before}):
            if of in both:
                new, old = now.get((of, part)), before.get((of, part))
                base = old[3] if old else next(row[3] for key, row in before.items() if key[0] == of)
                parts.append(Part(of, part, new[2] if new else absent, old[2] if old else absent, float(base)))
        return parts

    def _tables(self, side: str) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for table, column, kind in self._rows(
            side,
            f"""select table_name, column_name, data_type from information_schema.columns
            where table_catalog = '{side}' and table_schema = 'marts' order by table_name, ordinal_position""",
        ):
            found.setdefault(table, {})[column] = kind
        return found

    def _previous_as_of(self) -> dt.date | None:
        for sql in AS_OF:
            try:
                found = self._value("previous", f"select cast(({sql}) as date)")
            except MISSING:
                continue
            if found is not None:
                day: dt.date = found
                return day
        return None

    def _rows(self, side: str, sql: str) -> list[tuple[Any, ...]]:
        for name, literal in self._literals.items():
            sql = sql.replace(name, literal)
        self._connection.execute(f"use {side}")
        return self._connection.execute(sql).fetchall()

    def _one(self, side: str, sql: str) -> tuple[Any, ...]:
        (row,) = self._rows(side, sql)
        return row

    def _value(self, side: str, sql: str) -> Any:
        return self._one(side, sql)[0]


def _for_pandas(column: str, kind: str, nullable_key: bool) -> str:
    if nullable_key:
        return f"coalesce(cast({column} as varchar), '') as {column}"
    if kind.startswith("DECIMAL") or kind in ("HUGEINT", "UHUGEINT"):
        return f"cast({column} as double) as {column}"
    if kind in ("DOUBLE", "FLOAT"):
        return f"if(isnan({column}), cast('-infinity' as double), round({column}, 9)) as {column}"
    return column


def _name_as_suites_do(connection: duckdb.DuckDBPyConnection, side: str) -> None:
    """A published file holds the marts in its schema main; suites say marts.<mart>, as people do who open the file."""
    connection.execute(f"attach ':memory:' as {side}")
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = ?", [f"{side}_file"]
    ).fetchall()
    for schema, table in tables:
        into = {SCHEMA: "marts"}.get(schema, schema)
        connection.execute(f"create schema if not exists {side}.{into}")
        connection.execute(f'create view {side}.{into}."{table}" as from {side}_file."{schema}"."{table}"')


@contextmanager
def opened(
    candidate: Path, previous: Path | None, as_of: dt.date, marts: Collection[str], entities: Sequence[str]
) -> Iterator[Profile]:
    """Both files attached read-only to a connection of its own; AuditError where one cannot be opened."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        for name, path in (("candidate", candidate), ("previous", previous)):
            if path is None:
                continue
            escaped = str(path).replace("'", "''")
            try:
                if not path.exists():
                    raise AuditError(f"There is no {path} to audit.")
                connection.execute(f"attach '{escaped}' as {name}_file (read_only)")
            except duckdb.Error as error:
                what = "The marts to audit" if name == "candidate" else "The last publish"
                raise AuditError(f"{what} ({path}) cannot be opened: {str(error).splitlines()[0]}") from error
            _name_as_suites_do(connection, name)
        yield Profile(connection, previous is not None, as_of, marts, entities)
