"""Makes a complete publish the current one, takes it back, and puts right what an interrupted one has left."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from . import state
from .layout import KEPT, Layout, lay_ready, lay_ready_pointer, ready, sync, sync_tree, take_place
from .steps import reached


def keep(layout: Layout, build_id: str) -> Path:
    """Turns what was put together into a complete publish that may be swapped in."""
    making, kept = layout.making(build_id), layout.kept(build_id)
    reached("flushing to disk")
    sync_tree(making)
    reached("keeping")
    making.rename(kept)
    sync(layout.publishes)
    return kept


def prepare(layout: Layout, build_id: str) -> None:
    """Lays ready what a swap renames: a disk that is full or closed refuses here, before anything is published."""
    kept = layout.kept(build_id)
    lay_ready(kept / "marts.duckdb", layout.current)
    lay_ready_pointer(layout.parquet, kept / "parquet")


def swap(layout: Layout) -> None:
    """Makes the prepared publish the current one. From the first rename on it is published, whatever happens next."""
    reached("swapping marts.duckdb")
    take_place(layout.current)
    reached("swapping parquet/current")
    take_place(layout.parquet)


def current_build(layout: Layout) -> str | None:
    """The build that marts.duckdb is of; None before the first publish."""
    if not layout.current.exists():
        return None
    connection = duckdb.connect()
    try:
        connection.execute(f"attach {state.literal(layout.current)} as current (read_only)")
        row = connection.execute("select build_id from current.operations.publish_manifest").fetchone()
    finally:
        connection.close()
    return str(row[0]) if row else None


def heal(layout: Layout) -> list[str]:
    """Finishes or takes away what an interrupted publish has left; says what it did. The lock must be held."""
    said = []
    current = current_build(layout)
    if current and layout.parquet_build() != current and layout.kept(current).is_dir():
        lay_ready_pointer(layout.parquet, layout.kept(current) / "parquet")
        take_place(layout.parquet)
        said.append(f"parquet/current points to {current} again, as marts.duckdb does")
    with state.memory(layout.memory) as memory:
        unfinished = memory.execute(
            "select build_id from operations.refresh_runs where status = 'running' order by build_id"
        ).fetchall()
        for (build_id,) in unfinished:
            if build_id == current:
                state.remember_published(memory, build_id, layout.current)
                said.append(f"{build_id} was published, its record is complete now")
            else:
                memory.execute(
                    "update operations.refresh_runs set status = 'interrupted', exit_code = 4,"
                    " reason = 'The process ended before the work was done.' where build_id = ?",
                    [build_id],
                )
                shutil.rmtree(layout.kept(build_id), ignore_errors=True)
                said.append(f"{build_id} was interrupted; nothing of it was published")
        state.write_held("operations.account_history", memory, layout.held)  # a refused refresh may have left its own
    for one in layout.publishes.glob(".making-*"):
        shutil.rmtree(one)
    for pointer in (layout.current, layout.parquet):
        ready(pointer).unlink(missing_ok=True)
    return said


def prune(layout: Layout, keep_last: int = KEPT) -> None:
    """Removes all but the last publishes and audits; the current one stays."""
    protected = {current_build(layout), layout.parquet_build()}
    for build_id in layout.kept_builds()[keep_last:]:
        if build_id not in protected:
            doomed = layout.publishes / f".making-{build_id}"  # gone at once, even where its removal is interrupted
            layout.kept(build_id).rename(doomed)
            shutil.rmtree(doomed)
    for audit in sorted(layout.audits.iterdir(), reverse=True)[keep_last:]:
        shutil.rmtree(audit)
