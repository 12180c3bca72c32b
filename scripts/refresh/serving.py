"""What is served beside the publish folder: PostgreSQL where a server is named, and the restricted names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from . import state
from .layout import Layout, sync
from .report import Exit, Stop
from .steps import reached

if TYPE_CHECKING:
    from .postgres import PostgresTarget


def to_postgres(file: Path, build_id: str) -> None:
    """Publishes to PostgreSQL where a server is named; before the files, as it is the likelier one to refuse."""
    with _server() as target:
        if target:
            from .postgres import publish

            reached("publishing to PostgreSQL")
            publish(target, file, build_id=build_id, reached=reached)


def directory_to_postgres(layout: Layout) -> None:
    """Gives PostgreSQL the restricted names, where it is to have them."""
    with _server() as target:
        if target and target.has_directory and layout.directory.exists():
            from .postgres import publish_directory

            publish_directory(target, layout.directory)


@contextmanager
def _server() -> Iterator[PostgresTarget | None]:
    """The PostgreSQL server that is named, if one is: only then is its driver imported. Stop: it refuses."""
    if not os.environ.get("BESTAND_POSTGRES_URL"):
        yield None
        return
    from .postgres import PostgresError, PostgresTarget

    try:
        yield PostgresTarget.from_environment()
    except PostgresError as error:
        raise Stop(Exit.FAILED, "failed", str(error)) from error


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
    try:
        directory_to_postgres(layout)
    except Stop as refused:
        return [str(refused)]
    return []
