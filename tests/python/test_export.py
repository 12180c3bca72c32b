"""Exports, read back with other tools and compared with the marts cell by cell."""

from __future__ import annotations

import csv
import datetime as dt
import math
import re
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
from bestand import export as exporting
from bestand.export import ExportError, export
from bestand.warehouse import NoMarts
from project import Warehouse

# Values that one format or another is known to spoil.
NASTY = [
    "=1+1", "+49 30 1", "-5", "@SUM(A1)", "\tTab", "\rReturn", "'quoted", 'say "so"', "a,b;c", "two\nlines", "Grüße €",
    "007", "1e5", "2026-07-01", "TRUE", "https://example.org/?a=b&c", "<r>x</r>", "_x0041_", " edges ", "", "NULL",
    "{=1}", "😀", "a\x0bb",
]  # fmt: skip
MONEY = [
    "0.0000", "0.1000", "-9.9500", "1.1000", "12345678901.2345", "-99999999999.9999", "123456789012.3400",
    "1234567890123456789012345678901234.5678", "0.0001", "-0.3000", "9.9500",
]  # fmt: skip


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A publish of three small marts with every type the project's marts have, and some more."""
    file = tmp_path_factory.mktemp("published") / "marts.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema operations")
        connection.execute(
            "create table operations.publish_manifest as select '20260701T060000Z-3fa9c1' as build_id,"
            " date '2026-07-01' as as_of_date, timestamp '2026-07-01 06:00:07' as published_at,"
            " 'a''b' as schema_version"
        )
        connection.execute(
            "create table main.kinds (number integer, words varchar, money decimal(38, 4), rate decimal(18, 8),"
            " churn_rate double, lift double, is_open boolean, opened_on date, given_at timestamp, rows bigint,"
            ' huge hugeint, "odd ""name""" varchar)'
        )
        for number in range(max(len(NASTY), len(MONEY)) + 1):
            connection.execute(
                "insert into main.kinds values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    number,
                    NASTY[number] if number < len(NASTY) else None,
                    MONEY[number] if number < len(MONEY) else None,
                    Decimal(number) / 7,
                    number / 700 if number else None,
                    [0.1 + 0.2, 1 / 3, math.inf, math.nan, 1e-300, -1.7e308][number] if number < 6 else None,
                    None if number == 2 else number % 2 == 0,
                    ["0001-01-01", "1899-12-31", "1900-02-28", "1900-03-01", "2026-07-01", "9999-12-31"][number]
                    if number < 6
                    else None,
                    dt.datetime(2026, 7, 1, 23, 59, number) if number % 3 else None,
                    [0, -1, 10**15 - 1, 10**15, 2**53 + 1, 2**63 - 1][number] if number < 6 else None,
                    2**100 if number == 1 else None,
                    "x",
                ],
            )
        connection.execute("create table main.empty (account_id varchar, mrr decimal(38, 4))")
        connection.execute("create table main.numbers as select 100 - range as number from range(100)")
        connection.execute("comment on table main.kinds is 'One row per kind, it''s said.'")
        connection.execute("comment on column main.kinds.money is 'Amount in reporting currency.'")
    return file


def rows_of(published: Path, mart: str, schema: str = "main") -> tuple[list[str], list[tuple[Any, ...]]]:
    with duckdb.connect(str(published), read_only=True) as connection:
        cursor = connection.execute(f'select * from {schema}."{mart}" order by all')
        return [column[0] for column in cursor.description], cursor.fetchall()


# --- Parquet ---


def test_parquet_holds_values_and_types_as_they_are(published: Path, tmp_path: Path) -> None:
    files = export(published, tmp_path / "out", "parquet")
    assert [file.name for file in files] == ["empty.parquet", "kinds.parquet", "numbers.parquet"]
    with duckdb.connect() as connection:
        connection.execute(f"attach '{published}' as published (read_only)")
        for file in files:
            mart = f'published.main."{file.stem}"'
            read = f"read_parquet('{file}')"
            for one, other in ((mart, read), (read, mart)):
                assert not connection.execute(f"from {one} except all from {other}").fetchall()
            described = [connection.execute(f"describe from {one}").fetchall() for one in (mart, read)]
            assert [column[:2] for column in described[0]] == [
                (name, kind.replace("DOUBLE", "HUGEINT") if name == "huge" else kind) for name, kind, *_ in described[1]
            ]
        known = dict(
            connection.execute(f"select decode(key), decode(value) from parquet_kv_metadata('{files[0]}')").fetchall()
        )
    assert (known["build_id"], known["as_of_date"], known["schema_version"]) == (
        "20260701T060000Z-3fa9c1", "2026-07-01", "a'b",
    )  # fmt: skip


# --- CSV ---


def test_csv_holds_every_cell_as_text(published: Path, tmp_path: Path) -> None:
    (file,) = export(published, tmp_path, "csv", ["kinds"])
    columns, expected = rows_of(published, "kinds")
    with file.open(encoding="utf-8", newline="") as opened:
        header, *found = list(csv.reader(opened))
    assert header == columns
    assert len(found) == len(expected)
    for got, row in zip(found, expected, strict=True):
        for name, text, value in zip(columns, got, row, strict=True):
            assert text == as_csv(value), name


def as_csv(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case str():
            return f"'{value}" if value[:1] in "=+-@\t\r" and value else value
        case dt.datetime():
            return f"{value:%Y-%m-%d %H:%M:%S.%f}"
        case dt.date():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case float() if not math.isfinite(value):
            return str(value)
        case float():
            return f"{value!r}"
    return str(value)


def test_csv_tells_nothing_from_an_empty_text(published: Path, tmp_path: Path) -> None:
    (file,) = export(published, tmp_path, "csv", ["kinds"])
    text = file.read_bytes().decode("utf-8")
    assert not text.startswith("\ufeff")
    empty, missing = NASTY.index(""), len(NASTY)
    assert re.search(rf'^{empty},"",', text, re.MULTILINE)
    assert re.search(rf"^{missing},,", text, re.MULTILINE)


# --- Excel ---


def sheets(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    book = openpyxl.load_workbook(file, read_only=True)
    try:
        return {sheet.title: [tuple(cell for cell in row) for row in sheet.iter_rows()] for sheet in book.worksheets}
    finally:
        book.close()


def same(cell: Any, value: Any) -> bool:
    """Whether an Excel cell holds the mart's value: numbers as numbers, exact where Excel can."""
    found = cell.value
    match value:
        case None | "":
            return found is None
        case bool():
            return found is value
        case str():
            return cell.data_type in "s" and unescaped(found) == (f"{value} " if value.startswith("<r>") else value)
        case dt.datetime():
            return cell.is_date and found == value
        case dt.date() if value < dt.date(1900, 3, 1):
            return found == value.isoformat()
        case dt.date():
            return cell.is_date and found == dt.datetime.combine(value, dt.time())
        case Decimal() | int():
            digits = "".join(map(str, Decimal(value).as_tuple().digits)).strip("0")
            if len(digits) > 15 or (isinstance(value, int) and abs(value) >= 10**15):
                return bool(cell.data_type == "s") and Decimal(found) == value
            return bool(cell.data_type == "n") and Decimal(repr(found)) == value
        case float() if not math.isfinite(value):
            return found == str(value)
        case float():
            return bool(cell.data_type == "n") and math.isclose(found, value, rel_tol=1e-15)
    raise AssertionError(f"no rule for {type(value)}")


def unescaped(text: str) -> str:
    # what XML cannot hold, and what looks as if it were escaped, is escaped in the file
    return re.sub(r"_x([0-9A-F]{4})_", lambda match: chr(int(match[1], 16)), text)


def test_a_workbook_holds_every_cell_as_what_it_is(published: Path, tmp_path: Path) -> None:
    (file,) = export(published, tmp_path / "out", "xlsx")
    assert file == tmp_path / "out" / "marts.xlsx"
    found = sheets(file)
    assert list(found) == ["read me", "empty", "kinds", "numbers"]
    for mart in ("empty", "kinds", "numbers"):
        columns, expected = rows_of(published, mart)
        header, *cells = found[mart]
        assert [cell.value for cell in header] == columns
        assert len(cells) == len(expected)
        for row, values in zip(cells, expected, strict=True):
            padded = [*row, *[openpyxl.cell.read_only.EMPTY_CELL] * (len(values) - len(row))]
            for name, cell, value in zip(columns, padded, values, strict=True):
                assert same(cell, value), (mart, name, cell.value, value)


def test_a_workbook_has_formats_filters_and_a_frozen_header(published: Path, tmp_path: Path) -> None:
    (file,) = export(published, tmp_path / "deep" / "report.xlsx", "xlsx")
    assert file == tmp_path / "deep" / "report.xlsx"
    book = openpyxl.load_workbook(file)
    sheet = book["kinds"]
    names = {cell.value: cell.column_letter for cell in sheet[1]}
    assert all(cell.font.bold for cell in sheet[1])
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == f"A1:L{sheet.max_row}"
    assert book["empty"].auto_filter.ref == "A1:B1"
    for name, expected in {
        "money": "#,##0.00", "rate": "#,##0.0###", "churn_rate": "0.0%", "lift": "#,##0.0###",
        "opened_on": "yyyy-mm-dd", "given_at": "yyyy-mm-dd hh:mm:ss", "rows": "#,##0",
    }.items():  # fmt: skip
        cells = [cell for cell in sheet[names[name]][1:] if cell.value is not None and cell.data_type != "s"]
        assert {cell.number_format for cell in cells} == {expected}, name
    assert not [cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f" or cell.hyperlink]


def test_a_workbook_says_what_it_is(published: Path, tmp_path: Path) -> None:
    (file,) = export(published, tmp_path, "xlsx")
    rows = [tuple(cell.value for cell in row) for row in sheets(file)["read me"]]
    about = {row[0]: row[1] for row in rows[1:5]}
    assert about == {
        "build id": "20260701T060000Z-3fa9c1", "as of date": "2026-07-01",
        "published at": "2026-07-01 06:00:07 UTC", "schema version": "a'b",
    }  # fmt: skip
    assert ("kinds", None, 25, "One row per kind, it's said.") in rows
    assert ("kinds", "money", "decimal(38,4)", "Amount in reporting currency.") in rows
    assert ("empty", None, 0) in {row[:3] for row in rows}
    link = openpyxl.load_workbook(file)["read me"]["A8"].hyperlink
    assert link is not None and link.location == "'empty'!A1"


def test_the_same_publish_gives_the_same_workbook(published: Path, tmp_path: Path) -> None:
    def content(name: str) -> dict[str, bytes]:
        (file,) = export(published, tmp_path / name, "xlsx")
        with zipfile.ZipFile(file) as archive:
            return {one: archive.read(one) for one in archive.namelist()}

    first = content("a.xlsx")
    assert first == content("b.xlsx")
    assert b">2026-07-01T06:00:07Z<" in first["docProps/core.xml"]  # not the moment of the export


def test_sheet_names_are_short_and_unique() -> None:
    long = "a_mart_whose_name_goes_on_and_on"
    marts = [long + "_one", long + "_two", long.upper() + "_three", "history", "read me", "a/b[c]", "a?b*c:"]
    names = exporting.sheet_names(marts)
    assert list(names) == marts
    assert len({name.lower() for name in names.values()}) == len(marts)
    assert all(0 < len(name) <= 31 and not re.search(r"[\[\]:*?/\\]", name) for name in names.values())
    assert not {"history", "read me"} & {name.lower() for name in names.values()}
    assert exporting.sheet_names(["account_clv"]) == {"account_clv": "account_clv"}


def test_a_mart_too_long_for_a_sheet_is_named(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "SHEET_ROWS", 100)
    assert export(published, tmp_path / "fits", "xlsx")
    monkeypatch.setattr(exporting, "SHEET_ROWS", 99)
    with pytest.raises(ExportError, match=r"The mart numbers has 100 rows and an Excel sheet 99: export it as parquet"):
        export(published, tmp_path / "out", "xlsx")
    assert not (tmp_path / "out").exists()
    assert export(published, tmp_path / "out", "csv")
    assert export(published, tmp_path / "out", "xlsx", ["kinds"])


def test_a_text_too_long_for_a_cell_is_said(tmp_path: Path) -> None:
    file = tmp_path / "long.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.notes as select repeat('x', 32768) as note")
    with pytest.raises(ExportError, match="Row 1 of the mart notes has more than 32,767 characters in note"):
        export(file, tmp_path / "out", "xlsx")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("column", "percent"),
    [("churn_rate", True), ("ci_low", True), ("nrr", True), ("grr_12m", True), ("churn_probability", True),
     ("logo_retention_ci_high", True), ("share_of_clv", True), ("benchmark_rate_published", True), ("p_alive", True),
     ("annualised_churn_rate", True), ("survival_next_term", True), ("fitted_hazard", True), ("recall", True),
     ("churn_probability_se", False), ("lift", False), ("clv_to_cac", False), ("median_interval_days", False),
     ("spend_frequency_correlation", False), ("generated", False), ("operating", False), ("residual_clv", False)],
)  # fmt: skip
def test_shares_are_shown_in_percent(column: str, percent: bool) -> None:
    found = exporting.PERCENT.search(column) and not exporting.NO_PERCENT.search(column)
    assert bool(found) is percent


# --- files ---


@pytest.mark.parametrize("format", ["parquet", "csv", "xlsx"])
def test_what_is_there_stays_unless_forced(format: str, published: Path, tmp_path: Path) -> None:
    first = export(published, tmp_path, format)
    first[-1].write_text("mine", encoding="utf-8")
    before = {file: file.stat().st_mtime_ns for file in first}
    with pytest.raises(ExportError, match=r"exists; nothing was written \(--force replaces it\)"):
        export(published, tmp_path, format)
    assert {file: file.stat().st_mtime_ns for file in first} == before
    assert export(published, tmp_path, format, force=True) == first
    assert first[-1].read_bytes() != b"mine"
    assert sorted(tmp_path.iterdir()) == sorted(first)


@pytest.mark.parametrize("format", ["parquet", "csv", "xlsx"])
def test_a_file_that_fails_half_way_is_not_there(
    format: str, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = export(published, tmp_path, format, ["kinds"])
    before = old.read_bytes()

    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(exporting.os, "fsync", full)
    with pytest.raises(ExportError, match="failed: No space left on device"):
        export(published, tmp_path, format, ["kinds"], force=True)
    assert old.read_bytes() == before
    assert list(tmp_path.iterdir()) == [old]


def test_only_the_marts_asked_for_in_their_own_order(published: Path, tmp_path: Path) -> None:
    files = export(published, tmp_path, "csv", ["numbers", "empty"])
    assert [file.name for file in files] == ["empty.csv", "numbers.csv"]
    assert files[0].read_text(encoding="utf-8") == "account_id,mrr\n"
    assert files[1].read_text(encoding="utf-8").splitlines() == ["number", *map(str, range(1, 101))]


@pytest.mark.parametrize(
    ("marts", "said"),
    [(["kindz"], "There is no published mart kindz; did you mean kinds?"),
     (["accounts"], "There is no published mart accounts; there are: empty, kinds, numbers.")],
)  # fmt: skip
def test_a_mart_that_is_not_there_is_said(marts: list[str], said: str, published: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=re.escape(said)):
        export(published, tmp_path, "csv", marts)


def test_a_database_without_marts_is_said(tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "none.duckdb")).close()
    with pytest.raises(ExportError, match="has no marts: publish first"):
        export(tmp_path / "none.duckdb", tmp_path, "csv")
    with pytest.raises(NoMarts, match="There is no database"):
        export(tmp_path / "missing.duckdb", tmp_path, "csv")


def test_a_place_that_cannot_be_written_to_is_said(published: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ExportError, match=r"The export to .* failed"):
        export(published, tmp_path / "file" / "out", "csv")
    (tmp_path / "marts.xlsx").mkdir()
    with pytest.raises(ExportError, match="is a folder"):
        export(published, tmp_path, "xlsx", force=True)


def test_paths_may_have_quotes_and_blanks(published: Path, tmp_path: Path) -> None:
    assert export(published, tmp_path / "it's out", "parquet", ["numbers"])[0].exists()


# --- the demo ---


@pytest.mark.slow
@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_the_demo_comes_back_as_it_was(format: str, demo: Warehouse, tmp_path: Path) -> None:
    files = export(demo.database, tmp_path, format)
    assert len(files) == demo.value("select count(*) from duckdb_tables() where schema_name = 'marts'")
    reader: dict[str, Callable[[Path, str], str]] = {
        "parquet": lambda file, types: f"read_parquet('{file}')",
        "csv": lambda file, types: f"read_csv('{file}', header = true, columns = {types}, allow_quoted_nulls = false)",
    }
    with demo.connect() as connection:
        for file in files:
            mart = f'marts."{file.stem}"'
            types = {name: kind for name, kind, *_ in connection.execute(f"describe from {mart}").fetchall()}
            read = reader[format](file, str(types))
            for one, other in ((mart, read), (read, mart)):
                assert not connection.execute(f"from {one} except all from {other} limit 1").fetchall(), file.name


@pytest.mark.slow
def test_a_workbook_of_the_demo_agrees_cell_by_cell(demo: Warehouse, tmp_path: Path) -> None:
    marts = ["account_clv", "alerts", "churn_by_segment", "mrr_monthly", "renewals_monthly", "zombie_accounts"]
    (file,) = export(demo.database, tmp_path, "xlsx", marts)
    found = sheets(file)
    assert list(found) == ["read me", *marts]
    cells = 0
    for mart in marts:
        columns, expected = rows_of(demo.database, mart, "marts")
        header, *rows = found[mart]
        assert [cell.value for cell in header] == columns and len(rows) == len(expected) > 0
        for row, values in zip(rows, expected, strict=True):
            padded = [*row, *[openpyxl.cell.read_only.EMPTY_CELL] * (len(values) - len(row))]
            for name, cell, value in zip(columns, padded, values, strict=True):
                assert same(cell, value), (mart, name, cell.value, value)
                cells += value is not None
    assert cells > 10_000
