"""The suites as Great Expectations knows them: from a mart's spec and its profile to expectations, and back to words.

Importing this module imports Great Expectations, which takes seconds.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, Literal

import duckdb
from great_expectations.expectations.core.expect_column_max_to_be_between import (
    ExpectColumnMaxToBeBetween,
)
from great_expectations.expectations.core.expect_column_pair_values_a_to_be_greater_than_b import (
    ExpectColumnPairValuesAToBeGreaterThanB,
)
from great_expectations.expectations.core.expect_column_values_to_be_between import (
    ExpectColumnValuesToBeBetween,
)
from great_expectations.expectations.core.expect_column_values_to_be_in_set import (
    ExpectColumnValuesToBeInSet,
)
from great_expectations.expectations.core.expect_column_values_to_be_unique import (
    ExpectColumnValuesToBeUnique,
)
from great_expectations.expectations.core.expect_column_values_to_not_be_null import (
    ExpectColumnValuesToNotBeNull,
)
from great_expectations.expectations.core.expect_compound_columns_to_be_unique import (
    ExpectCompoundColumnsToBeUnique,
)
from great_expectations.expectations.metadata_types import FailureSeverity

from .limits import LEVELS, UNITS, Band, limits, number
from .profiles import Part, Profile, Value
from .report import Severity
from .spec import Each, Gap, Mart, Measure, Shares

Batch = Literal["rows", "whole", "parts"]
BATCHES: tuple[Batch, ...] = ("rows", "whole", "parts")
pandas: Any = importlib.import_module("pandas")  # without types here

SEVERITIES = {"error": FailureSeverity.CRITICAL, "warn": FailureSeverity.WARNING}
NO_PREVIOUS = "no previous publish"
RESTATED = "share of closed rows with another value"
# No amount of a company is as large; what is, is not a number.
LARGEST = 1e15


class ExpectRowsToBeThere(ExpectColumnMaxToBeBetween):
    """A mart is not empty where what it is about exists."""


class ExpectChangeToBeBetween(ExpectColumnMaxToBeBetween):
    """A measure has not changed more against the last publish than its limit allows."""


class ExpectPartsToChangeWithin(ExpectColumnValuesToBeBetween):
    """No category, column or labelled row has changed more against the last publish than its limit allows."""


class ExpectSumsToAgree(ExpectColumnMaxToBeBetween):
    """What must be equal is equal."""


class ExpectToBeFresh(ExpectColumnMaxToBeBetween):
    """The newest period or date is the one that the as-of date asks for."""


class ExpectToBePlausible(ExpectColumnMaxToBeBetween):
    """A number lies in a range that is stated once, whatever was published before."""


@dataclass(frozen=True)
class Check:
    """One expectation, the batch it is asked of, and how its result is told."""

    batch: Batch
    expectation: Any
    column: str | None
    severity: Severity
    limits: str
    tell: Callable[[Mapping[str, Any]], tuple[str, str]]


@dataclass(frozen=True)
class Skipped:
    """An expectation that could not be asked, and why; `failed` where that itself stands against publishing."""

    type: str
    column: str | None
    severity: Severity
    limits: str
    why: str
    failed: bool = False


@dataclass
class Suite:
    """All that is asked of one mart: checks and their batches, and what could not be asked."""

    mart: str
    checks: list[Check] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    batches: dict[Batch, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def kind(expectation: type[Any] | Any) -> str:
    """The type of an expectation as Great Expectations names it."""
    made: str = expectation.expectation_type
    return made


class Builder:
    """Builds the suite of one mart."""

    # keys are never shown: findings and pages outlive an account that asks to be forgotten
    ROW_RESULT: ClassVar[dict[str, Any]] = {"result_format": "SUMMARY", "partial_unexpected_count": 3}
    PART_RESULT: ClassVar[dict[str, Any]] = {
        "result_format": "COMPLETE",
        "unexpected_index_column_names": ["of", "part"],
    }

    def __init__(self, mart: Mart, profile: Profile) -> None:
        self._mart = mart
        self._profile = profile
        self._suite = Suite(mart.name)
        self._whole: dict[str, float] = {}
        self._parts: list[dict[str, Any]] = []

    def suite(self) -> Suite:
        """The suite with its batches."""
        rows = self._profile.rows(self._mart.name)
        self._volume(rows)
        self._rows(rows)
        for gap in self._all_gaps():
            self._gap(gap)
        self._bounds()
        self._drift()
        if self._whole:
            self._suite.batches["whole"] = pandas.DataFrame([self._whole])
        if self._parts:
            self._suite.batches["parts"] = pandas.DataFrame(self._parts)
        return self._suite

    # --- volume ---

    def _volume(self, rows: int) -> None:
        needs = self._mart.needs
        self._whole["rows"] = rows
        if needs and self._profile.holds(needs):

            def tell(_: Mapping[str, Any]) -> tuple[str, str]:
                return f"{rows:,} rows", f"{self._mart.name}: has {rows:,} rows (expected at least 1)."

            text = "The mart has rows" if needs == "always" else f"The mart has rows, as there are {_words(needs)}"
            self._whole_check(ExpectRowsToBeThere, "rows", Band(1, None, "value"), "error", f"{text}.", tell)

    # --- rows ---

    def _rows(self, rows: int) -> None:
        mart, have = self._mart, self._profile.columns[self._mart.name]
        pairs = [(low, high) for triple in mart.intervals for low, high in pairwise(triple) if low != high]
        wanted = [*mart.key, *mart.needed, *mart.shares, *mart.amounts, *(name for name, _ in mart.values)]
        wanted = list(dict.fromkeys([*wanted, *(name for pair in pairs for name in pair)]))
        for column in wanted:
            if column not in have:
                self._suite.skipped.append(
                    Skipped("expect_column_to_exist", column, "error", "there", "the column is missing", True)
                )
        columns = [column for column in wanted if column in have]
        if rows == 0 or not columns:
            self._suite.notes.append("The mart has no rows to look at.")
            return
        frame, drawn = self._profile.frame(mart, columns, rows)
        self._suite.batches["rows"] = frame
        seen = len(frame)
        self._suite.notes.append(
            f"Rows are looked at one by one in {seen:,} of {rows:,} rows, drawn by the hash of the key."
            if drawn
            else f"All {rows:,} rows are looked at."
        )
        for column in (*(key for key in mart.key if key not in mart.nullable_key), *mart.needed):
            if column in have:
                self._row_check(ExpectColumnValuesToNotBeNull, column, "no nulls", "null", seen, column=column)
        if all(column in have for column in mart.key):
            self._unique(seen)
        for column in mart.shares:
            if column in have:
                self._row_check(
                    ExpectColumnValuesToBeBetween, column, "0 to 1", "outside 0 to 1", seen,
                    column=column, min_value=0, max_value=1,
                )  # fmt: skip
        for column in mart.amounts:
            if column in have:
                self._row_check(
                    ExpectColumnValuesToBeBetween, column, "at least 0", "below 0", seen,
                    column=column, min_value=0, max_value=LARGEST,
                    description="Values are not negative, and no larger than an amount can be.",
                )  # fmt: skip
        for low, high in pairs:
            if low in have and high in have:
                self._row_check(
                    ExpectColumnPairValuesAToBeGreaterThanB, high, f"at least {low}", f"below {low}", seen,
                    column_A=high, column_B=low, or_equal=True, ignore_row_if="either_value_is_missing",
                )  # fmt: skip
        for column, values in mart.values:
            if column in have:
                self._row_check(
                    ExpectColumnValuesToBeInSet, column, ", ".join(values), "none of them", seen,
                    column=column, value_set=list(values),
                )  # fmt: skip

    def _unique(self, seen: int) -> None:
        key, words = self._mart.key, " + ".join(self._mart.key)
        if len(key) == 1:
            self._row_check(ExpectColumnValuesToBeUnique, key[0], "unique", "not unique", seen, column=key[0])
        else:
            self._row_check(ExpectCompoundColumnsToBeUnique, words, "unique", "not unique", seen, column_list=list(key))

    def _row_check(
        self, type_: type[Any], column: str, allowed: str, wrong: str, seen: int, /, **arguments: Any
    ) -> None:
        name = self._mart.name
        tells_values = type_ in (
            ExpectColumnValuesToBeBetween,
            ExpectColumnValuesToBeInSet,
            ExpectColumnPairValuesAToBeGreaterThanB,
        )

        def tell(result: Mapping[str, Any]) -> tuple[str, str]:
            count = int(result.get("unexpected_count") or 0)
            if not count:
                return f"0 of {seen:,} rows", f"{name}.{column}: {allowed} in {seen:,} rows."
            found = ""
            if tells_values and result.get("partial_unexpected_list"):
                values = list(dict.fromkeys(_shown(value) for value in result["partial_unexpected_list"]))
                found = f", such as {', '.join(values)}"
            observed = f"{count:,} of {seen:,} rows"
            verb = "is" if count == 1 else "are"
            return observed + found, f"{name}.{column}: {observed} {verb} {wrong}{found} (allowed {allowed})."

        expectation = type_(severity=SEVERITIES["error"], **arguments)
        self._suite.checks.append(Check("rows", expectation, column, "error", allowed, tell))

    # --- sums and freshness ---

    def _all_gaps(self) -> Iterator[Gap]:
        yield from self._mart.gaps
        if self._mart.as_of:
            yield Gap(
                "rows_are_of_the_as_of_date",
                "every row is of the as-of date",
                f"""select abs(date_diff('day', {self._mart.as_of}, {{as_of}})) as gap,
                    cast({self._mart.as_of} as varchar) as place from marts.{self._mart.name}""",
                0,
                "fresh",
            )

    def _gap(self, gap: Gap) -> None:
        type_: type[Any] = ExpectToBeFresh if gap.kind == "fresh" else ExpectSumsToAgree
        allowed = "0 days apart" if gap.kind == "fresh" else f"at most {number(gap.tolerance)}"
        if not self._profile.answerable(gap.sql):
            self._skip(type_, gap.name, "error", allowed, "a mart it is held against was not built")
            return
        try:
            found = self._profile.gap(gap)
        except duckdb.Error as error:
            self._skip(type_, gap.name, "error", allowed, f"cannot be measured ({_first_line(error)})", failed=True)
            return
        if found is None:
            self._skip(type_, gap.name, "error", allowed, "there are no rows to hold against each other")
            return
        distance, place = found
        unit = " days" if gap.kind == "fresh" else ""
        observed = f"off by {number(distance)}{unit}" + (f" at {place}" if distance > gap.tolerance and place else "")

        def tell(_: Mapping[str, Any]) -> tuple[str, str]:
            return observed, f"{self._mart.name}: expected that {gap.says}; {observed} (allowed {allowed})."

        self._whole[gap.name] = distance
        self._whole_check(
            type_, gap.name, Band(None, gap.tolerance, "value"), "error", _sentence(gap.says), tell, limits=allowed
        )

    # --- plausible without a last publish ---

    def _bounds(self) -> None:
        for bound in self._mart.bounds:
            limit = limits()[bound.limit]
            found = None
            if self._profile.answerable(bound.sql):
                try:
                    found = self._profile.bound(bound)
                except duckdb.Error as error:
                    self._skip(
                        ExpectToBePlausible, bound.name, "error", "", f"cannot be measured ({_first_line(error)})",
                        failed=True,
                    )  # fmt: skip
                    continue
            for level in LEVELS:
                band = limit.band(level, self._profile.months)
                if band is None:
                    continue
                if found is None:
                    self._skip(ExpectToBePlausible, bound.name, level, str(band), "there is nothing to look at")
                    continue
                self._whole[bound.name] = found
                self._whole_check(
                    ExpectToBePlausible, bound.name, band, level,
                    f"{_sentence(bound.says)} {limit.reason}", self._tell_value(bound.says, found, band),
                )  # fmt: skip

    def _tell_value(self, what: str, value: float, band: Band) -> Callable[[Mapping[str, Any]], tuple[str, str]]:
        def tell(_: Mapping[str, Any]) -> tuple[str, str]:
            seen = f"{number(value)}{UNITS[band.unit]}"
            return seen, f"{self._mart.name}: {what} is {seen} (allowed {band})."

        return tell

    # --- against the last publish ---

    def _drift(self) -> None:
        mart = self._mart
        measures = list(mart.measures)
        if mart.rows and mart.closed:
            measures.insert(0, Measure("rows", "count(*)", "restated_rows", "closed"))
        if mart.rows and not mart.closed:
            measures.insert(0, Measure("rows", "count(*)", "state_rows"))
        if not self._profile.was_there(mart.name):
            why = "no previous publish of this mart" if self._profile.previous_columns else NO_PREVIOUS
            for measure in measures:
                self._skip_levels(ExpectChangeToBeBetween, _title(measure), measure.limit, why)
            for shares in mart.drifts:
                for column in shares.columns:
                    self._skip_levels(ExpectPartsToChangeWithin, f"shares of {column}", shares.limit, why)
            for each in mart.each:
                self._skip_levels(ExpectPartsToChangeWithin, each.name, each.limit, why)
            if mart.fixed:
                self._skip_levels(ExpectPartsToChangeWithin, RESTATED, "restated_values", why)
            self._skip_levels(ExpectPartsToChangeWithin, "shares of nulls", "null_share", why)
            return
        for measure, value in zip(measures, self._profile.measures(mart, measures), strict=True):
            self._measure(measure, value)
        if mart.fixed:
            self._changes(RESTATED, "restated_values", self._profile.restated(mart), lambda part: part.now)
        for shares in mart.drifts:
            self._shares(shares)
        for each in mart.each:
            self._each(each)
        self._changes("shares of nulls", "null_share", self._profile.null_shares(mart), lambda part: _points(part))
        self._lost_columns()

    def _measure(self, measure: Measure, value: Value) -> None:
        title, limit = _title(measure), limits()[measure.limit]
        change = value.percent
        if change is None:
            self._skip_levels(ExpectChangeToBeBetween, title, measure.limit, value.why or "nothing to compare with")
            return
        name, text = f"{title}, change in percent", f"{_sentence(f'{title}, against the last publish')} {limit.reason}"
        self._whole[name] = change
        for level in LEVELS:
            band = limit.band(level, self._profile.months, value.base)
            if band is None:
                continue

            tell = self._tell_change(title, value, change, band)
            self._whole_check(ExpectChangeToBeBetween, name, band, level, text, tell, column=title)

    def _tell_change(
        self, title: str, value: Value, change: float, band: Band
    ) -> Callable[[Mapping[str, Any]], tuple[str, str]]:
        values = f"from {number(value.before or 0)} to {'nothing' if value.now is None else number(value.now)}"
        moved = f"{title} changed by {_signed(change)} % against the last publish, {values}"

        def tell(_: Mapping[str, Any]) -> tuple[str, str]:
            return f"{_signed(change)} %, {values}", f"{self._mart.name}: {moved} (allowed {band})."

        return tell

    def _shares(self, shares: Shares) -> None:
        parts = self._profile.shares(self._mart, shares)
        for column in shares.columns:
            title = f"shares of {column}"
            if parts is None:
                self._skip_levels(
                    ExpectPartsToChangeWithin, title, shares.limit, "the last publish does not have its columns"
                )
                continue
            mine = [part for part in parts if part.of == column]
            self._changes(title, shares.limit, mine, _points)
            if shares.scope == "state":
                continue  # what is running may come and go; its shares say when that is too much
            gone = [part for part in mine if part.before and not part.now]
            new = [part for part in mine if part.now and not part.before]
            self._changes(f"{title} that are gone", "gone", gone, lambda part: part.before)
            self._changes(f"{title} that are new", "new", new, lambda part: part.now)

    def _each(self, each: Each) -> None:
        parts = self._profile.each(self._mart, each)
        if parts is None:
            self._skip_levels(
                ExpectPartsToChangeWithin, each.name, each.limit, "the last publish does not have its columns"
            )
            return
        self._changes(each.name, each.limit, parts, lambda part: Value(part.now, part.before, part.base).percent)

    def _changes(self, title: str, limit_name: str, parts: list[Part], change: Callable[[Part], float | None]) -> None:
        """Every part against its limit; where bases differ, the distance to its own band is what is asked."""
        limit = limits()[limit_name]
        if not parts:
            self._skip_levels(ExpectPartsToChangeWithin, title, limit_name, "there is nothing to compare")
            return
        for level in LEVELS:
            if limit.band(level) is None:
                continue
            # bands differ by base: what is asked is how far outside of its band a part is
            column = f"{title}, beyond the {'limit' if level == 'error' else 'warning limit'}"
            worst: tuple[float, Part, float, Band] | None = None
            for part in parts:
                moved, band = change(part), limit.band(level, self._profile.months, part.base)
                if moved is None or band is None:
                    continue
                outside = max((band.low if band.low is not None else moved) - moved,
                              moved - (band.high if band.high is not None else moved), 0.0)  # fmt: skip
                self._parts.append(
                    {"of": title, "part": part.part, "now": part.now, "before": part.before, column: outside}
                )
                if worst is None or (outside, abs(moved)) > (worst[0], abs(worst[2])):
                    worst = (outside, part, moved, band)
            if worst is None:
                self._skip(ExpectPartsToChangeWithin, title, level, "", "there is nothing to compare")
                continue
            tell = self._tell_parts(title, worst[1], worst[2], worst[3], len(parts))
            expectation = ExpectPartsToChangeWithin(
                column=column, min_value=0, max_value=0, severity=SEVERITIES[level],
                description=f"{_sentence(f'{title}, against the last publish: {worst[3]} for {worst[1].part}')} "
                f"{limit.reason}{' Only a warning.' if level == 'warn' else ''}",
            )  # fmt: skip
            self._suite.checks.append(Check("parts", expectation, title, level, str(worst[3]), tell))

    def _tell_parts(
        self, title: str, part: Part, moved: float, band: Band, of: int
    ) -> Callable[[Mapping[str, Any]], tuple[str, str]]:
        unit = " %" if title.startswith("share") else ""
        before, now = ("nothing" if one is None else f"{number(one)}{unit}" for one in (part.before, part.now))
        if band.unit == "share":
            observed, said = f"{part.part} {number(moved)} %", f"{part.part} {number(moved)} %"
        else:
            by = f"{_signed(moved)}{UNITS[band.unit]}"
            observed = f"{part.part} {by}, from {before} to {now}"
            said = f"{part.part} changed by {by} against the last publish, from {before} to {now}"

        def tell(result: Mapping[str, Any]) -> tuple[str, str]:
            count = int(result.get("unexpected_count") or 0)
            others = f" and {count - 1:,} more" if count > 1 else ""
            if not count:
                return f"at most {observed} ({of:,} compared)", f"{self._mart.name}: {title}: {observed}."
            return observed + others, f"{self._mart.name}: {title}: {said}{others} (allowed {band})."

        return tell

    def _lost_columns(self) -> None:
        lost = sorted(
            set(self._profile.previous_columns[self._mart.name]) - set(self._profile.columns[self._mart.name])
        )
        self._whole["columns that are gone"] = len(lost)

        def tell(_: Mapping[str, Any]) -> tuple[str, str]:
            observed = ", ".join(lost) or "none"
            return observed, f"{self._mart.name}: columns that the last publish had are gone: {observed}."

        self._whole_check(
            ExpectChangeToBeBetween, "columns that are gone", Band(None, 0, "value"), "warn",
            "No column of the last publish is gone. Dashboards read them by name.", tell, limits="none",
        )  # fmt: skip

    # --- common ---

    def _whole_check(
        self,
        type_: type[Any],
        name: str,
        band: Band,
        level: Severity,
        text: str,
        tell: Callable[[Mapping[str, Any]], tuple[str, str]],
        *,
        column: str | None = None,
        limits: str | None = None,
    ) -> None:
        expectation = type_(
            column=name,
            min_value=band.low,
            max_value=band.high,
            severity=SEVERITIES[level],
            description=f"{text} Allowed: {limits or band}.{' Only a warning.' if level == 'warn' else ''}",
        )
        self._suite.checks.append(Check("whole", expectation, column or name, level, limits or str(band), tell))

    def _skip(
        self, type_: type[Any], column: str, level: Severity, allowed: str, why: str, *, failed: bool = False
    ) -> None:
        self._suite.skipped.append(Skipped(kind(type_), column, level, allowed, why, failed))

    def _skip_levels(self, type_: type[Any], column: str, limit: str, why: str) -> None:
        for level in LEVELS:
            band = limits()[limit].band(level, self._profile.months)
            if band is not None:
                self._skip(type_, column, level, str(band), why)


def _title(measure: Measure) -> str:
    return f"{measure.name}{' of closed periods' if measure.scope == 'closed' else ''}"


def _points(part: Part) -> float | None:
    return None if part.now is None or part.before is None else part.now - part.before


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{number(value)}"


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " and ".join(_shown(one) for one in value)
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _words(fact: str) -> str:
    return fact.replace("_", " ")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
