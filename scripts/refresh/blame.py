"""Where in the input files the rows are that stopped a build: file, row, column and, unless it is text, the value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

from .candidate import Build
from .state import literal

SHOWN = 3
# what is wrong with these is a value of a typed column or of a list, never a name or a free text
SHOWS_VALUE = ("unparsable", "negative", "not_positive", "not_in_list")


def refused_rows(working: Path, build: Build, entity: str, folder: Path | None) -> list[str]:
    """A sentence for each of the first rows of an entity that were refused.

    Rows count from 1, without the header; lines that the reader itself refused count with it, as an editor shows them.
    """
    with duckdb.connect(str(working), read_only=True) as connection:
        rows = connection.execute(
            f'select reasons, raw_row from "{build.conformed}"."validated_{entity}" where disposition = \'quarantined\''
            f" order by raw_row limit {SHOWN}"
        ).fetchall()
        rejects = connection.execute(
            f'select file, line, column_name, reason from "{build.quarantine}".reader_rejects where entity = ?'
            f" order by all limit {SHOWN}",
            [entity],
        ).fetchall()
    said = [
        f"{file}, line {line}: {reason}" + (f" in column {column}" if column else "")
        for file, line, column, reason in rejects
        if line is not None
    ]
    for reasons, raw in rows:
        values = json.loads(raw)
        where = _place(folder, entity, values) if folder else None
        said.append(f"{where or entity}: {'; '.join(_reason(one, values) for one in _split(reasons))}")
    return said[:SHOWN]


def _split(reasons: str) -> list[str]:
    return [one.strip() for one in reasons.replace(";", ",").split(",") if one.strip()]


def _reason(code: str, values: dict[str, Any]) -> str:
    kind, _, column = code.partition(":")
    words = kind.replace("_", " ")
    if not column:
        return words
    value = f" ('{values[column]}')" if kind in SHOWS_VALUE and values.get(column) is not None else ""
    return f"column {column}: {words}{value}"


def _place(folder: Path, entity: str, values: dict[str, Any]) -> str | None:
    for file in sorted([*folder.glob(f"{entity}.*"), *folder.glob(f"{entity}/*")]):
        reader = {".csv": "read_csv({}, all_varchar = true, header = true)", ".parquet": "read_parquet({})"}.get(
            file.suffix.lower(), "read_json({})"
        )
        row = _row_in(reader.format(literal(file)), values)
        if row is not None:
            return f"{file.relative_to(folder)}, row {row}"
    return None


def _row_in(source: str, values: dict[str, Any]) -> int | None:
    """The first row of a file that has these values, in the order of the file."""
    connection = duckdb.connect(config={"threads": 1})
    try:
        columns = [row[0] for row in connection.execute(f"describe select * from {source}").fetchall()]
        known = [name for name in columns if name.lower() in values]
        same = " and ".join(f"nullif(cast(\"{name}\" as varchar), '') is not distinct from ?" for name in known)
        found = connection.execute(
            f"select row_no from (select row_number() over () as row_no, * from {source})"
            f" where {same or 'false'} limit 1",
            [None if values[name.lower()] is None else str(values[name.lower()]) for name in known],
        ).fetchone()
    except duckdb.Error:  # the file cannot be read this way; the reason alone is said
        return None
    finally:
        connection.close()
    return int(found[0]) if found else None
