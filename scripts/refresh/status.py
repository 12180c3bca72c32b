"""What is published, since when, and how the last runs ended."""

from __future__ import annotations

from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from . import lock, state
from .candidate import SCHEMA
from .layout import Layout

RUNS_SHOWN = 10


def read() -> dict[str, Any]:
    """The state of the publish folder, whoever may be writing to it; what there is not yet is None or empty."""
    layout = Layout.from_environment()
    running = lock.holder(layout.lock) if lock.is_held(layout.lock) else None
    published = _manifest(layout)
    return {
        "folder": str(layout.root),
        "build_id": published["build_id"] if published else None,
        "published": published,
        "parquet_build_id": layout.parquet_build(),
        "kept": layout.kept_builds(),
        "running": running,
        "runs": _runs(layout),
    }


def show(found: dict[str, Any], console: Console) -> None:
    """The same for people."""
    published = found["published"]
    if published is None:
        console.print(f"Nothing is published in {found['folder']} yet: run bestand refresh.")
    else:
        console.print(
            f"Published: {published['build_id']}, as of {published['as_of_date']},"
            f" at {published['published_at']:%Y-%m-%d %H:%M:%S} UTC, {published['marts']} marts, in {found['folder']}",
            soft_wrap=True,
        )
        if found["parquet_build_id"] != published["build_id"]:
            console.print(f"Parquet is of {found['parquet_build_id']}; the next refresh puts that right.")
        console.print(f"Kept: {', '.join(found['kept'])}", soft_wrap=True)
    if found["running"]:
        running = found["running"]
        console.print(f"Running: {running['action']} since {running['since']} (process {running['pid']})")
    if found["runs"]:
        table = Table(box=None, pad_edge=False)
        for name in ("build", "action", "status", "as of", "seconds", "reason"):
            table.add_column(name, overflow="fold")
        for run in found["runs"]:
            reason = str(run["reason"] or "").splitlines()
            table.add_row(
                run["build_id"], run["action"], run["status"], str(run["as_of_date"] or ""),
                "" if run["seconds"] is None else f"{run['seconds']:.1f}", reason[0] if reason else "",
            )  # fmt: skip
        console.print(table)


def _manifest(layout: Layout) -> dict[str, Any] | None:
    if not layout.current.exists():
        return None
    with duckdb.connect(str(layout.current), read_only=True) as connection:
        cursor = connection.execute(
            "select *, (select count(*) from operations.publish_tables where schema_name = ?) as marts"
            " from operations.publish_manifest",
            [SCHEMA],
        )
        names = [column[0] for column in cursor.description or []]
        (row,) = cursor.fetchall()
    return dict(zip(names, row, strict=True))


def _runs(layout: Layout) -> list[dict[str, Any]]:
    if not layout.memory.exists():
        return []
    with state.memory(layout.memory, read_only=True) as memory:
        cursor = memory.execute(
            f"select * from operations.refresh_runs order by started_at desc, build_id desc limit {RUNS_SHOWN}"
        )
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
