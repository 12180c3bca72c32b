"""Hands the published marts to tools that read files: Parquet, CSV, or one Excel workbook."""

from __future__ import annotations

import datetime as dt
import difflib
import math
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import duckdb
import xlsxwriter
from xlsxwriter.format import Format as Style
from xlsxwriter.worksheet import Worksheet

from .published import has_manifest, quoted
from .published import marts as published_marts
from .warehouse import connect, rows

SHEET_ROWS = 1_048_575  # an Excel sheet has one row more, and the header needs it
SHEET_COLUMNS = 16_384
SHEET_NAME = 31
CELL_TEXT = 32_767
EXACT_DIGITS = 15  # an Excel number is a double: decimals of so many digits survive it
FIRST_DAY = dt.date(1900, 3, 1)  # Excel takes 1900 for a leap year: days before are off by one, or not there at all
ROWS_AT_A_TIME = 5_000
WORKBOOK = "marts.xlsx"
READ_ME = "read me"

# A cell that begins so is a formula to a spreadsheet that opens a CSV file, whoever wrote it into the CRM.
FORMULA = r"^[=+\-@\t\r]"

# Shares are kept as 0.034 and read as 3.4 %. Only columns of floating point numbers are looked at.
PERCENT = re.compile(
    r"(^|_)(rate|share|probability|retention|hazard|survival|precision|recall|nrr|grr|ci_low|ci_high|gross_margin"
    r"|p_alive|data_coverage)(_|$)"
)
NO_PERCENT = re.compile(r"_(se|months?|days|correlation)$|^retention_cost")

TABLE = """
select comment as description
from duckdb_tables()
where database_name = current_database() and schema_name in ('marts', 'main') and table_name = ?
"""
COLUMNS = """
select column_name as name, data_type as type, comment as description
from duckdb_columns()
where database_name = current_database() and schema_name in ('marts', 'main') and table_name = ?
order by column_index
"""


class Format(StrEnum):
    """What is written: a file per mart, or for xlsx one workbook with a sheet per mart."""

    parquet = "parquet"
    csv = "csv"
    xlsx = "xlsx"


class ExportError(Exception):
    """It cannot be written; the message is a sentence that says why and what to do."""


@dataclass(frozen=True)
class Column:
    """A column as DuckDB knows it."""

    name: str
    type: str
    description: str | None


@dataclass(frozen=True)
class Mart:
    """A published mart."""

    name: str
    place: str
    description: str | None
    row_count: int
    columns: tuple[Column, ...]


def export(
    published: Path, out: Path, format: Format | str, marts: Collection[str] | None = None, *, force: bool = False
) -> list[Path]:
    """Writes marts of a published database, all of them unless named, and returns the files.

    Parquet and CSV: `out` is a folder, and each mart a file in it. XLSX: `out` is the workbook if it ends in .xlsx,
    else the folder for marts.xlsx. Rows are sorted by all columns from the left. A file appears whole or not at all.
    Where one exists nothing is written, unless `force`. Raises ExportError (also for a mart that does not exist, or is
    too long for a sheet), and NoMarts where the database cannot be read.
    """
    chosen_format = Format(format)
    with connect(published) as connection, tempfile.TemporaryDirectory() as scratch:
        connection.execute("set temp_directory = ?", [scratch])
        place = published_marts(connection)
        chosen = [_mart(connection, name, place[name]) for name in _chosen(place, published, marts)]
        about = _manifest(connection)
        if chosen_format is Format.xlsx:
            workbook = out if out.suffix.lower() == ".xlsx" else out / WORKBOOK
            targets = [workbook]
            _fits(chosen)
        else:
            targets = [out / f"{one.name}.{chosen_format.value}" for one in chosen]
        _free(targets, force)
        try:
            for folder in {target.parent for target in targets}:
                folder.mkdir(parents=True, exist_ok=True)
            if chosen_format is Format.xlsx:
                with _whole(workbook) as file:
                    _write_workbook(connection, file, chosen, about)
            else:
                for mart, target in zip(chosen, targets, strict=True):
                    with _whole(target) as file:
                        _copy(connection, mart, file, chosen_format, about)
        except (OSError, duckdb.IOException, xlsxwriter.exceptions.FileCreateError) as error:
            raise ExportError(f"The export to {out} failed: {str(error).splitlines()[0]}") from error
    return targets


def _chosen(place: dict[str, str], published: Path, marts: Collection[str] | None) -> list[str]:
    if not place:
        raise ExportError(f"{published} has no marts: publish first (bestand refresh).")
    for name in marts or ():
        if name not in place:
            near = difflib.get_close_matches(name, place, n=3)
            there = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(place)}."
            raise ExportError(f"There is no published mart {name}; {there}")
    return [name for name in place if not marts or name in marts]


def _mart(connection: duckdb.DuckDBPyConnection, name: str, place: str) -> Mart:
    (table,) = rows(connection, TABLE, name)
    (count,) = rows(connection, f"select count(*) as number from {place}")
    columns = tuple(Column(**row) for row in rows(connection, COLUMNS, name))
    return Mart(name, place, table["description"], int(count["number"]), columns)


def _manifest(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    return rows(connection, "select * from operations.publish_manifest")[0] if has_manifest(connection) else {}


def _fits(marts: Sequence[Mart]) -> None:
    # not split over several sheets: a filter, a sum or a pivot table on the first would be taken for the whole
    for mart in marts:
        if mart.row_count > SHEET_ROWS:
            raise ExportError(
                f"The mart {mart.name} has {mart.row_count:,} rows and an Excel sheet {SHEET_ROWS:,}: export it as"
                " parquet or csv, or name the other marts."
            )
        if len(mart.columns) > SHEET_COLUMNS:
            raise ExportError(
                f"The mart {mart.name} has more columns than an Excel sheet: export it as parquet or csv."
            )


def _free(targets: Sequence[Path], force: bool) -> None:
    for target in targets:
        if target.is_dir():
            raise ExportError(f"{target} is a folder; a file is to be written there.")
        if target.exists() and not force:
            raise ExportError(f"{target} exists; nothing was written (--force replaces it).")


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A file beside the target that takes its place when it is complete, and goes when it is not."""
    waiting = target.with_name(f".{target.stem}.{secrets.token_hex(4)}{target.suffix}")
    try:
        yield waiting
        with waiting.open("rb") as written:
            os.fsync(written.fileno())
        waiting.replace(target)
    finally:
        waiting.unlink(missing_ok=True)


# --- Parquet and CSV ---


def _copy(connection: duckdb.DuckDBPyConnection, mart: Mart, file: Path, format: Format, about: dict[str, Any]) -> None:
    if format is Format.parquet:
        names = "*"
        known = ", ".join(f"{name}: {_literal(str(value))}" for name, value in about.items())
        options = "format parquet, compression zstd" + (f", kv_metadata {{{known}}}" if known else "")
    else:
        names = ", ".join(_guarded(column) for column in mart.columns)
        options = "format csv, header, dateformat '%Y-%m-%d', timestampformat '%Y-%m-%d %H:%M:%S.%f'"
    query = f"select {names} from {mart.place} order by all"
    connection.execute(f"copy ({query}) to {_literal(str(file))} ({options})")


def _guarded(column: Column) -> str:
    name = quoted(column.name)
    if column.type != "VARCHAR":
        return name
    return f"case when regexp_matches({name}, {_literal(FORMULA)}) then '''' || {name} else {name} end as {name}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# --- Excel ---

Writer = Callable[[Worksheet, int, int, Any], int | None]


@dataclass(frozen=True)
class Styles:
    """Cell formats of a workbook."""

    header: Style
    title: Style
    wrapped: Style
    day: Style
    moment: Style
    percent: Style
    money: Style
    whole: Style
    number: Style


def _write_workbook(
    connection: duckdb.DuckDBPyConnection, file: Path, marts: Sequence[Mart], about: dict[str, Any]
) -> None:
    workbook = xlsxwriter.Workbook(str(file), {"constant_memory": True})
    if about:
        # the same publish gives the same file
        workbook.set_properties({"title": "Bestand", "created": about["published_at"]})
    styles = Styles(
        header=workbook.add_format({"bold": True, "bottom": 1, "valign": "top", "bg_color": "#E8EDF2"}),
        title=workbook.add_format({"bold": True, "font_size": 14}),
        wrapped=workbook.add_format({"text_wrap": True, "valign": "top"}),
        day=workbook.add_format({"num_format": "yyyy-mm-dd"}),
        moment=workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        percent=workbook.add_format({"num_format": "0.0%"}),
        money=workbook.add_format({"num_format": "#,##0.00"}),
        whole=workbook.add_format({"num_format": "#,##0"}),
        number=workbook.add_format({"num_format": "#,##0.0###"}),
    )
    names = sheet_names([mart.name for mart in marts])
    try:
        _write_read_me(workbook.add_worksheet(READ_ME), styles, marts, names, about)
        for mart in marts:
            _write_sheet(connection, workbook.add_worksheet(names[mart.name]), styles, mart)
    finally:
        workbook.close()


def sheet_names(marts: Sequence[str]) -> dict[str, str]:
    """A sheet name for each mart: at most 31 characters, without those Excel forbids, unique whatever the case."""
    names: dict[str, str] = {}
    taken = {READ_ME, "history"}  # Excel keeps the second for itself
    for mart in marts:
        whole = re.sub(r"[\[\]:*?/\\]", "_", mart).strip("'") or "mart"
        name, number = whole[:SHEET_NAME], 1
        while name.lower() in taken:
            number += 1
            tail = f"~{number}"
            name = whole[: SHEET_NAME - len(tail)] + tail
        taken.add(name.lower())
        names[mart] = name
    return names


def _write_read_me(
    sheet: Worksheet, styles: Styles, marts: Sequence[Mart], names: dict[str, str], about: dict[str, Any]
) -> None:
    sheet.set_column(0, 0, 30)
    sheet.set_column(1, 1, 34)
    sheet.set_column(2, 2, 16)
    sheet.set_column(3, 3, 110)
    sheet.write_string(0, 0, "Published marts", styles.title)
    row = 1
    for key, value in about.items():
        sheet.write_string(row, 0, key.replace("_", " "))
        sheet.write_string(row, 1, f"{value:%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, dt.datetime) else str(value))
        row += 1
    row += 1
    for column, heading in enumerate(("Sheet", "Column", "Type or rows", "Meaning")):
        sheet.write_string(row, column, heading, styles.header)
    row += 1
    for mart in marts:
        sheet.write_url(row, 0, f"internal:'{names[mart.name]}'!A1", string=names[mart.name])
        sheet.write_number(row, 2, mart.row_count, styles.whole)
        _write_text(sheet, row, 3, mart.description or "", styles.wrapped)
        row += 1
        for one in mart.columns:
            sheet.write_string(row, 0, names[mart.name])
            _write_text(sheet, row, 1, one.name)
            sheet.write_string(row, 2, one.type.lower())
            _write_text(sheet, row, 3, one.description or "", styles.wrapped)
            row += 1


def _write_sheet(connection: duckdb.DuckDBPyConnection, sheet: Worksheet, styles: Styles, mart: Mart) -> None:
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, mart.row_count, len(mart.columns) - 1)
    writers = []
    for position, column in enumerate(mart.columns):
        writer, width = _writer(column, styles)
        writers.append(writer)
        sheet.set_column(position, position, max(width, min(len(column.name) + 4, 34)))
        _write_text(sheet, 0, position, column.name, styles.header)
    cursor = connection.execute(f"select * from {mart.place} order by all")
    row = 0
    while some := cursor.fetchmany(ROWS_AT_A_TIME):
        for values in some:
            row += 1
            for position, value in enumerate(values):
                if value is not None and writers[position](sheet, row, position, value):
                    raise ExportError(
                        f"Row {row} of the mart {mart.name} has more than {CELL_TEXT:,} characters in"
                        f" {mart.columns[position].name}, which an Excel cell cannot hold: export it as parquet or csv."
                    )


def _writer(column: Column, styles: Styles) -> tuple[Writer, float]:
    """What writes the values of a column, by its type, and how wide it is in characters."""
    if column.type == "BOOLEAN":
        return _write_boolean, 8
    if column.type == "DATE":
        return _day_writer(styles.day), 12
    if column.type.startswith("TIMESTAMP"):
        return _moment_writer(styles.moment), 20
    if column.type.startswith("DECIMAL"):
        scale = int(column.type.rstrip(")").rpartition(",")[2])
        style = styles.money if scale <= 4 else styles.number
        return _decimal_writer(styles.whole if scale == 0 else style), 14
    if column.type in ("DOUBLE", "FLOAT"):
        percent = PERCENT.search(column.name) and not NO_PERCENT.search(column.name)
        return _double_writer(styles.percent if percent else styles.number), 12
    if column.type.endswith("INT") or column.type.endswith("INTEGER"):
        return _decimal_writer(styles.whole), 10
    return _write_text, 18


def _write_boolean(sheet: Worksheet, row: int, column: int, value: Any) -> int | None:
    written: int = sheet.write_boolean(row, column, value)
    return written


def _write_text(sheet: Worksheet, row: int, column: int, value: Any, style: Style | None = None) -> int | None:
    text = str(value)
    if text.startswith("<r>") and text.endswith("</r>"):
        text += " "  # XlsxWriter takes such a text for markup of its own and would not escape it
    if not text:
        return None
    written: int = sheet.write_string(row, column, text, style)
    return written


def _day_writer(style: Style) -> Writer:
    def write(sheet: Worksheet, row: int, column: int, value: Any) -> int | None:
        if isinstance(value, dt.date) and value >= FIRST_DAY:
            return sheet.write_datetime(row, column, dt.datetime.combine(value, dt.time()), style)
        return _write_text(sheet, row, column, value)

    return write


def _moment_writer(style: Style) -> Writer:
    def write(sheet: Worksheet, row: int, column: int, value: Any) -> int | None:
        if isinstance(value, dt.datetime) and value.date() >= FIRST_DAY:
            return sheet.write_datetime(row, column, value.replace(tzinfo=None), style)
        return _write_text(sheet, row, column, value)

    return write


def _decimal_writer(style: Style) -> Writer:
    def write(sheet: Worksheet, row: int, column: int, value: Any) -> int | None:
        exact = abs(value) < 10**EXACT_DIGITS if isinstance(value, int) else _digits(value) <= EXACT_DIGITS
        if exact:
            return sheet.write_number(row, column, value, style)
        return _write_text(sheet, row, column, value)

    return write


def _digits(value: Decimal) -> int:
    return len("".join(map(str, value.as_tuple().digits)).strip("0"))


def _double_writer(style: Style) -> Writer:
    def write(sheet: Worksheet, row: int, column: int, value: Any) -> int | None:
        if math.isfinite(value):
            return sheet.write_number(row, column, value, style)
        return _write_text(sheet, row, column, value)

    return write
