"""Rewrites CSV and JSON files without the subject of an erasure; every other record stays byte by byte."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ..refresh.layout import sync
from .plan import Plan
from .rules import Rules
from .tables import ORDINAL, Rewriter, Table, Touched, insert

DELIMITERS = (",", ";", "\t", "|")
JSON_SPACE = " \t\r\n\ufeff"

csv.field_size_limit(min(sys.maxsize, 2**31 - 1))


class Unreadable(Exception):
    """What is wrong with a file, to follow its name."""


@dataclass
class Record:
    """A record as it stands in the file. `values` by lower-case column; None: its fields are not the header's."""

    text: str
    values: dict[str, str | None] | None


def records(path: Path, rules: Rules, entity: str) -> Iterator[Record]:
    """The records of a file, without its header."""
    text = _read(path)
    if path.suffix.lower() == ".csv":
        yield from _Csv(text, set(rules.contract[entity]["columns"])).records
    else:
        yield from (Record(one.text, _flat(one.value)) for one in _json_elements(text))


def rewrite(
    path: Path, entity: str, plan: Plan, rules: Rules, connection: duckdb.DuckDBPyConnection
) -> tuple[Touched, Callable[[], None]]:
    """What there is to do in the file, and the function that writes it, in one step."""
    text = _read(path)
    is_csv = path.suffix.lower() == ".csv"
    ids = {*plan.replaced}
    if is_csv:
        source = _Csv(text, set(rules.contract[entity]["columns"]))
        found = source.records
    else:
        elements = list(_json_elements(text))
        found = [Record(one.text, _flat(one.value)) for one in elements]
    candidates, broken = [], set()
    for number, record in enumerate(found):
        if record.values is None:
            if plan.names(record.text):
                broken.add(number)
        elif _may_name(record.values, ids, plan, rules):
            candidates.append((number, {name: _valid(value) for name, value in record.values.items()}))
    after = _rewritten(candidates, entity, plan, rules, connection)
    removed = broken | {number for number, _ in candidates if number not in after}
    changed = {number: new for number, old in candidates if (new := _differences(old, after.get(number)))}
    if is_csv:
        pieces = [source.header]
        for number, record in enumerate(found):
            if number not in removed:
                pieces.append(source.rendered(record, changed[number]) if number in changed else record.text)
        result = "".join(pieces)
    else:
        result = _json_without(text, elements, removed, changed)
    return Touched(len(removed), len(changed)), lambda: _write(path, result)


def _rewritten(
    candidates: list[tuple[int, dict[str, str | None]]],
    entity: str, plan: Plan, rules: Rules, connection: duckdb.DuckDBPyConnection,
) -> dict[int, dict[str, str | None]]:  # fmt: skip
    """The records by the same SQL that rewrites tables; those that are missing are to be removed."""
    if not candidates:
        return {}
    names = list(dict.fromkeys(name for _, values in candidates for name in values))
    columns = ", ".join(f'"{name}" varchar' for name in names)
    connection.execute(f"create or replace temp table erase_records ({ORDINAL} bigint, {columns})")
    insert(
        connection, "erase_records", [(number, *(values.get(name) for name in names)) for number, values in candidates]
    )
    rewriter = Rewriter(connection, plan, rules)
    rewriter.touched(Table(entity, "erase_records", {ORDINAL: "BIGINT", **dict.fromkeys(names, "VARCHAR")}))
    result = connection.execute(f"select * from ({rewriter.query()})")
    found = {row[0]: dict(zip(names, row[1:], strict=True)) for row in result.fetchall()}
    connection.execute("drop table erase_records")
    return found


def _differences(old: dict[str, str | None], new: dict[str, str | None] | None) -> dict[str, str | None]:
    return {} if new is None else {name: new[name] for name in old if new[name] != old[name]}


def _valid(value: str | None) -> str | None:
    """The value as DuckDB takes it: bytes that are no UTF-8 were let through as surrogates."""
    return None if value is None else value.encode("utf-8", "replace").decode()


def _may_name(values: dict[str, str | None], ids: set[str], plan: Plan, rules: Rules) -> bool:
    given = {name: value for name, value in values.items() if value}
    if not ids.isdisjoint(value.strip() for value in given.values()):
        return True
    return any(
        name in rules.personal and (plan.names(value) or plan.names_in_part(value)) for name, value in given.items()
    )


# --- CSV ---


class _Csv:
    def __init__(self, text: str, known: set[str]) -> None:
        lines = io.StringIO(text, newline="").readlines()
        self.header = lines[0] if lines else ""
        self.delimiter, self.names = _columns(self.header, known)
        self.records = list(self._split(lines[1:]))

    def _split(self, lines: list[str]) -> Iterator[Record]:
        taken: list[str] = []

        def feed() -> Iterator[str]:
            for line in lines:
                taken.append(line)
                yield line

        reader = csv.reader(feed(), delimiter=self.delimiter, strict=True)
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:
                row = []
            if len(row) == len(self.names):
                yield self._record("".join(taken), row)
            else:
                # a quote that is never closed may have swallowed the lines that follow: each for itself
                yield from (self._single(line) for line in taken)
            taken.clear()

    def _single(self, line: str) -> Record:
        return self._record(line, next(csv.reader([line], delimiter=self.delimiter), []))

    def _record(self, text: str, row: list[str]) -> Record:
        if len(row) != len(self.names):
            return Record(text, None)
        return Record(text, {name: value or None for name, value in zip(self.names, row, strict=True)})

    def rendered(self, record: Record, changed: dict[str, str | None]) -> str:
        end = record.text[len(record.text.rstrip("\r\n")) :]
        out = io.StringIO(newline="")
        values = {**(record.values or {}), **changed}
        row = ["" if values[name] is None else values[name] for name in self.names]
        csv.writer(out, delimiter=self.delimiter, lineterminator=end).writerow(row)
        return out.getvalue()


def _columns(header: str, known: set[str]) -> tuple[str, list[str]]:
    """Delimiter and column names as the build reads them: the delimiter that gives most known columns."""
    best: tuple[int, str, list[str]] = (-1, ",", [])
    for delimiter in DELIMITERS:
        names = [
            name.strip().strip('"').strip().lower() for name in header.lstrip("\ufeff").strip("\r\n").split(delimiter)
        ]
        score = len(known.intersection(names))
        if score > best[0]:
            best = (score, delimiter, names)
    return best[1], best[2]


# --- JSON: an array of objects, or objects one after the other ---


@dataclass
class _Element:
    before: str  # what stands between the element before it and this one
    text: str
    value: Any


class _Number(str):
    """A number as it was written."""


def _json_elements(text: str) -> Iterator[_Element]:
    decoder = json.JSONDecoder(parse_float=_Number, parse_int=_Number, parse_constant=_Number)
    end = _skip(text, 0, JSON_SPACE)
    if text[end : end + 1] == "[":
        end += 1
    while True:
        start = _skip(text, end, JSON_SPACE + ",")
        if start >= len(text) or text[start] == "]":
            return
        try:
            value, after = decoder.raw_decode(text, start)
        except ValueError as error:
            raise Unreadable(f"is no valid JSON from character {start} on") from error
        yield _Element(text[end:start], text[start:after], value)
        end = after


def _skip(text: str, position: int, what: str) -> int:
    while position < len(text) and text[position] in what:
        position += 1
    return position


def _json_without(
    text: str, elements: list[_Element], removed: set[int], changed: dict[int, dict[str, str | None]]
) -> str:
    length = sum(len(one.before) + len(one.text) for one in elements)
    start = text.index(elements[0].before + elements[0].text) if elements else len(text)
    head, tail = text[:start], text[start + length :]
    pieces: list[str] = []
    for number, one in enumerate(elements):
        if number in removed:
            continue
        new = _json_text(_json_changed(one.value, changed[number])) if number in changed else one.text
        # what follows a removed first element must not begin with its comma
        pieces.append((one.before if pieces else elements[0].before) + new)
    return head + "".join(pieces) + tail


def _json_changed(value: Any, changes: dict[str, str | None]) -> Any:
    result = {}
    for name, old in value.items():
        if name.lower() in changes:
            new = changes[name.lower()]
            result[name] = _Number(new) if isinstance(old, _Number) and new is not None else new
        else:
            result[name] = old
    return result


def _json_text(value: Any) -> str:
    if isinstance(value, _Number):
        return str.__str__(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {_json_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _flat(value: Any) -> dict[str, str | None] | None:
    if not isinstance(value, dict):
        return None
    return {
        name.lower(): None if one is None else str(one) if isinstance(one, str) else _json_text(one)
        for name, one in value.items()
    }


def integer_columns(path: Path) -> set[str]:
    """The columns of a JSON file whose values are written as whole numbers somewhere."""
    if path.suffix.lower() != ".json":
        return set()
    return {
        name.lower()
        for one in _json_elements(_read(path))
        if isinstance(one.value, dict)
        for name, value in one.value.items()
        if isinstance(value, _Number)
    }


# --- files ---


def _read(path: Path) -> str:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f".erasing-{path.name}")
    with fresh.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
    shutil.copymode(path, fresh)
    sync(fresh)
    fresh.replace(path)
    sync(path.parent)
