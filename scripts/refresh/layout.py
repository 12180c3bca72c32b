"""What lies where in the publish folder, and how a file there is replaced so that no reader sees half of it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .. import paths

BUILD_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
KEPT = 7


@dataclass(frozen=True)
class Layout:
    """The publish folder; docs/refresh.md draws it."""

    root: Path

    @classmethod
    def from_environment(cls) -> Layout:
        """BESTAND_PUBLISH_DIR, read from the project root when relative; default `published`."""
        return cls(paths.ROOT / os.environ.get("BESTAND_PUBLISH_DIR", "published"))

    @property
    def current(self) -> Path:
        """The file that readers open: the marts of the current publish."""
        return self.root / "marts.duckdb"

    @property
    def parquet(self) -> Path:
        """The pointer to the Parquet files of the current publish."""
        return self.root / "parquet" / "current"

    @property
    def publishes(self) -> Path:
        """A folder per publish, complete or absent."""
        return self.root / "publishes"

    @property
    def audits(self) -> Path:
        """A folder of Data Docs per audit, refused ones too."""
        return self.root / "audits"

    @property
    def restricted(self) -> Path:
        """What carries names; for its owner only."""
        return self.root / "restricted"

    @property
    def directory(self) -> Path:
        """The names of accounts and contacts."""
        return self.restricted / "account_directory.parquet"

    @property
    def state(self) -> Path:
        """What a refresh must remember; for its owner only."""
        return self.root / "state"

    @property
    def held(self) -> Path:
        """Inputs the project keeps itself (var crm_held_files)."""
        return self.state / "held"

    @property
    def memory(self) -> Path:
        """The DuckDB file with runs, tests, reported KPIs and attribute changes."""
        return self.state / "state.duckdb"

    @property
    def lock(self) -> Path:
        """Held for as long as anything in the folder changes."""
        return self.state / "refresh.lock"

    def making(self, build_id: str) -> Path:
        """Where a publish is put together."""
        return self.publishes / f".making-{build_id}"

    def kept(self, build_id: str) -> Path:
        """Where a complete publish lies."""
        return self.publishes / build_id

    def prepare(self) -> None:
        """Makes the folders. OSError: it cannot be written to."""
        for folder in (self.root, self.parquet.parent, self.publishes, self.audits):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.restricted, self.state, self.held):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)

    def kept_builds(self) -> list[str]:
        """The complete publishes, newest first."""
        if not self.publishes.is_dir():
            return []
        found = [one.name for one in self.publishes.iterdir() if BUILD_ID.fullmatch(one.name)]
        return sorted((name for name in found if (self.kept(name) / "manifest.json").exists()), reverse=True)

    def parquet_build(self) -> str | None:
        """The build that parquet/current points to."""
        if not self.parquet.is_symlink():
            return None
        return self.parquet.readlink().parent.name


def new_build_id(now: datetime | None = None) -> str:
    """UTC start and a random tail: sorts by time, unique on every machine."""
    return f"{now or datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def ready(target: Path) -> Path:
    """Where the next `target` waits to be renamed to it."""
    return target.with_name(f".{target.name}.next")


def lay_ready(source: Path, target: Path) -> None:
    """Makes the file that is to become `target`."""
    waiting = ready(target)
    waiting.unlink(missing_ok=True)
    try:
        os.link(source, waiting)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, waiting)
        sync(waiting)


def lay_ready_pointer(pointer: Path, target: Path) -> None:
    """Makes the symbolic link that is to become `pointer`; relative, so that the folder can be moved."""
    waiting = ready(pointer)
    waiting.unlink(missing_ok=True)
    waiting.symlink_to(os.path.relpath(target, pointer.parent))


def take_place(target: Path) -> None:
    """Replaces `target` by what was laid ready, in one step: who has the old one open keeps it, others see the new."""
    ready(target).replace(target)
    sync(target.parent)


def put_in_place(source: Path, target: Path) -> None:
    """Makes `target` the file `source`, in one step."""
    lay_ready(source, target)
    take_place(target)


def sync(path: Path) -> None:
    """Waits until a file or folder is on the disk: a rename must not arrive before what it renames."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """The same for everything under a folder."""
    for parent, _, files in os.walk(folder, topdown=False):
        for name in files:
            sync(Path(parent) / name)
        sync(Path(parent))
