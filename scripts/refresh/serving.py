"""What is served beside the publish folder: PostgreSQL where a server is named, and the restricted names."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from . import state
from .layout import Layout, sync
from .report import Exit, Stop
from .steps import reached


def to_postgres(file: Path, build_id: str) -> None:
    """Publishes to PostgreSQL where a server is named; before the files, as it is the likelier one to refuse."""
    if not os.environ.get("BESTAND_POSTGRES_URL"):
        return
    from . import postgres

    try:
        target = postgres.PostgresTarget.from_environment()
        if target:
            reached("publishing to PostgreSQL")
            postgres.publish(target, file, build_id=build_id, reached=reached)
    except postgres.PostgresError as error:
        raise Stop(Exit.FAILED, "failed", str(error)) from error


def directory_to_postgres(layout: Layout) -> None:
    """Gives PostgreSQL the restricted names, where it is to have them. PostgresError: it refuses."""
    file = layout.directory
    if not os.environ.get("BESTAND_POSTGRES_URL") or not file.exists():
        return
    from . import postgres

    target = postgres.PostgresTarget.from_environment()
    if target and target.has_directory:
        postgres.publish_directory(target, file)


def write_directory(database: Path, layout: Layout) -> list[str]:
    """Renews the names, which no publish carries, where the build has made them; says what of it failed."""
    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.execute(
            "select schema_name from duckdb_tables() where table_name = 'account_directory'"
            " and schema_name like '%restricted'"
        ).fetchone()
        if not found:
            return []
        waiting = layout.directory.with_name(".account_directory.next")
        connection.execute(
            f'copy "{found[0]}".account_directory to {state.literal(waiting)} (format parquet, compression zstd)'
        )
    waiting.chmod(0o600)
    sync(waiting)
    waiting.replace(layout.directory)
    from .postgres import PostgresError

    try:
        directory_to_postgres(layout)
    except PostgresError as error:
        return [str(error)]
    return []
