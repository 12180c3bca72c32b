"""The words in which suites are written: what is expected of a mart, with no engine and no threshold in it.

SQL fragments name tables as `marts.<mart>` and may use {as_of} (a date), {common} (the day up to which the candidate
and the last publish both know everything: the earlier of their as-of dates) and {entities} (the entities of the input
contract, a list). Limits are names of limits.yml.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Scope = Literal["closed", "state"]

# Aligned with the periods of the marts: the first day after a period.
PERIOD_END = """(period_start + case period_grain
    when 'month' then interval 1 month when 'quarter' then interval 3 month else interval 1 year end)"""


@dataclass(frozen=True)
class Measure:
    """A number of a mart (an aggregate over its rows) that is compared with that of the last publish.

    `scope` closed: over rows that were complete in both, where only a correction may change anything; state: over all
    rows. `base` counts what stands behind the number: small bases get more room.
    """

    name: str
    sql: str
    limit: str
    scope: Scope = "state"
    base: str = "count(*)"


@dataclass(frozen=True)
class Shares:
    """Shares of the categories of one or more dimensions, compared with those of the last publish.

    `columns` are dimensions of their own; `weight` is what is shared out (an aggregate over the rows of a category);
    `where` picks the rows.
    """

    columns: tuple[str, ...]
    limit: str
    scope: Scope = "state"
    weight: str = "count(*)"
    where: str = "true"


@dataclass(frozen=True)
class Each:
    """A value of every row, compared with that of the row with the same label in the last publish.

    Rows the last publish did not have are left out; those it had and that are gone have changed by -100 %.
    """

    name: str
    label: str
    value: str
    limit: str
    scope: Scope = "state"
    base: str = "0"


@dataclass(frozen=True)
class Gap:
    """A distance that must be zero. `sql` gives rows (gap, place): the largest gap counts, its place is named.

    The place must name no account: findings are kept and shown. `tolerance` is in the unit of the gap.
    """

    name: str
    says: str
    sql: str
    tolerance: float = 0.00005
    kind: Literal["sum", "fresh"] = "sum"


@dataclass(frozen=True)
class Bound:
    """A number whose plausible range is stated once, with or without a last publish."""

    name: str
    sql: str
    limit: str
    says: str


@dataclass(frozen=True)
class Mart:
    """What is expected of one mart, in the order in which people would ask.

    `needs` is the fact (profiles.FACTS) that says when it must have rows; `key` its grain; `needed` further columns
    never null; `shares` columns between 0 and 1; `amounts` columns not below 0; `intervals` (low, value, high);
    `values` the closed lists; `as_of` the column that must be the as-of date in every row; `closed` the rows complete
    by {common}; `rows` whether the number of rows is compared with the last publish; `fixed` columns that in
    closed rows are, row by row, what they were.
    """

    name: str
    needs: str | None
    key: tuple[str, ...]
    nullable_key: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()
    intervals: tuple[tuple[str, str, str], ...] = ()
    values: tuple[tuple[str, tuple[str, ...]], ...] = ()
    as_of: str | None = None
    closed: str | None = None
    rows: bool = True
    fixed: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    drifts: tuple[Shares, ...] = ()
    each: tuple[Each, ...] = ()
    gaps: tuple[Gap, ...] = ()
    bounds: tuple[Bound, ...] = ()


def agree(
    name: str, says: str, keys: Sequence[str], columns: Sequence[str], left: str, right: str, *, relative: bool = False
) -> Gap:
    """Two queries that must give the same numbers (`columns`) for the same `keys`; a row one of them lacks counts as 0.

    With `relative` the gap is a share of the larger of both sides (or of 1, where both are smaller): for doubles.
    """
    distances = []
    for column in columns:
        ours, theirs = f"coalesce(l.{column}, 0)", f"coalesce(r.{column}, 0)"
        distance = f"abs({ours} - {theirs})"
        if relative:
            distance += f" / greatest(abs({ours}), abs({theirs}), 1e0)"
        distances.append(f"cast({distance} as double)")
    place = ", ' ', ".join(f"coalesce(cast(l.{key} as varchar), cast(r.{key} as varchar))" for key in keys)
    on = " and ".join(f"l.{key} is not distinct from r.{key}" for key in keys)
    sql = f"""
        select greatest({", ".join(distances)}, 0e0) as gap, concat({place}) as place
        from ({left}) as l full join ({right}) as r on {on}"""
    return Gap(name, says, sql, 1e-6 if relative else 0.00005)


def segments_add_up(
    mart: str,
    keys: Sequence[str],
    columns: Sequence[str],
    *,
    dimension: str = "segment_dimension",
    relative: bool = False,
    where: str = "true",
) -> Gap:
    """The segments of every dimension add up to the whole (dimension 'all')."""
    group = ", ".join([*keys, dimension])
    sums = ", ".join(f"coalesce(sum({column}), 0) as {column}" for column in columns)
    each = f"select {group}, {sums} from marts.{mart} where {where} group by all"
    whole = f"select {', '.join([*(f'w.{key}' for key in keys), 'd.' + dimension, *(f'w.{c}' for c in columns)])}"
    whole += f" from ({each}) as w cross join (select distinct {dimension} from marts.{mart}) as d"
    whole += f" where w.{dimension} = 'all'"
    return agree(
        "segments_against_the_whole",
        f"the segments of every dimension add up to the whole ({', '.join(columns)})",
        [*keys, dimension],
        columns,
        each,
        whole,
        relative=relative,
    )


def parts_add_up(
    mart: str, part: str, keys: Sequence[str], columns: Sequence[str], *, relative: bool = False, where: str = "true"
) -> Gap:
    """The rows of a group add up to the one whose `part` is 'all'."""
    sums = ", ".join(f"coalesce(sum({column}), 0) as {column}" for column in columns)
    group = ", ".join(keys) or "'all' as the_whole"

    def side(condition: str) -> str:
        return f"select {group}, {sums} from marts.{mart} where ({where}) and {condition} group by all"

    return agree(
        "parts_against_the_whole",
        f"the rows add up to the one of {part} 'all' ({', '.join(columns)})",
        list(keys) or ["the_whole"],
        columns,
        side(f"{part} <> 'all'"),
        side(f"{part} = 'all'"),
        relative=relative,
    )


def newest(mart: str, column: str, expected: str, says: str, *, where: str = "true") -> Gap:
    """The newest day in a column is the expected one; the gap is in days."""
    sql = f"""
        select abs(date_diff('day', cast(max({column}) as date), cast({expected} as date))) as gap,
            cast(max({column}) as varchar) as place
        from marts.{mart} where {where} having count(*) > 0"""
    return Gap(f"newest_{column}", says, sql, 0, "fresh")


def not_of_the_future(mart: str, column: str, says: str) -> Gap:
    """No row is of a day after the as-of date; how many days it is ahead is the gap."""
    return Gap(
        "nothing_is_of_the_future",
        says,
        f"select date_diff('day', {{as_of}}, max({column})) as gap, cast(max({column}) as varchar) as place"
        f" from marts.{mart} having count(*) > 0",
        0,
        "fresh",
    )


def rises_nowhere(mart: str, groups: Sequence[str], order: str, column: str, says: str) -> Gap:
    """A curve that never rises along `order`."""
    by = ", ".join(groups)
    sql = f"""
        select {column} - lag({column}) over (partition by {by} order by {order}) as gap,
            concat_ws(' ', {by}, {order}) as place
        from marts.{mart}"""
    return Gap(f"{column}_never_rises", says, sql, 1e-9)


def without_gaps(mart: str, groups: Sequence[str], order: str, says: str, *, step: str | None = None) -> Gap:
    """Every group counts up along `order` without leaving one out; `step` is a unit of time for dates."""
    each_group = f"partition by {', '.join(groups)} " if groups else ""
    following = f"lead({order}) over ({each_group}order by {order})"
    distance = f"date_diff('{step}', {order}, {following})" if step else f"{following} - {order}"
    place = f"cast({order} as varchar)"
    return Gap(
        f"{order}_without_gaps", says, f"select abs({distance} - 1) as gap, {place} as place from marts.{mart}", 0
    )
