"""Where data of customers may lie: everything that `bestand erase` looks at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .. import paths
from ..refresh.layout import Layout

READABLE = (".csv", ".json", ".parquet")


@dataclass(frozen=True)
class Places:
    """The working database, the publish folder, the input files and what dbt writes beside them.

    `inputs` is None where the source keeps the data (crm_source schema): the source must erase them itself.
    """

    layout: Layout
    database: Path
    inputs: Path | None
    target: Path
    logs: Path

    @classmethod
    def of_project(cls, inputs: Path | None, layout: Layout | None = None) -> Places:
        """Those of the environment: BESTAND_DATABASE, BESTAND_PUBLISH_DIR, DBT_TARGET_PATH, DBT_LOG_PATH."""
        return cls(
            layout or Layout.from_environment(),
            paths.database(),
            inputs.resolve() if inputs else None,
            paths.target(),
            paths.logs(),
        )

    def as_dict(self) -> dict[str, str | None]:
        """As plain text, for the journal."""
        return {
            "root": str(self.layout.root),
            "database": str(self.database),
            "inputs": str(self.inputs) if self.inputs else None,
            "target": str(self.target),
            "logs": str(self.logs),
        }

    @classmethod
    def from_dict(cls, found: dict[str, str | None]) -> Places:
        """The reverse."""
        inputs = found["inputs"]
        return cls(
            Layout(Path(str(found["root"]))),
            Path(str(found["database"])),
            Path(inputs) if inputs else None,
            Path(str(found["target"])),
            Path(str(found["logs"])),
        )

    @property
    def journal(self) -> Path:
        """The erasure under way: what becomes of which key. Removed with its end."""
        return self.layout.state / "erasing.json"

    @property
    def salt(self) -> Path:
        """The secret that the hashes in `erased` are made with."""
        return self.layout.state / "erased.salt"

    @property
    def erased(self) -> Path:
        """Salted hashes of who was erased."""
        return self.layout.state / "erased.parquet"

    @property
    def spill(self) -> Path:
        """Where DuckDB puts what does not fit into memory while it rewrites."""
        return self.layout.state / "erasing.spill"

    def named(self, path: Path) -> str:
        """A path as it is shown: short where it lies in a known folder."""
        if self.inputs and path.is_relative_to(self.inputs):
            return f"inputs/{path.relative_to(self.inputs)}"
        if path.is_relative_to(self.layout.root):
            return f"published/{path.relative_to(self.layout.root)}"
        for folder, name in ((self.target, "target"), (self.logs, "logs")):
            if path.is_relative_to(folder):
                return f"{name}/{path.relative_to(folder)}"
        return path.name

    def input_files(self) -> Iterator[tuple[str, Path]]:
        """Entity and file of every input that a build would read: <entity>.<format>, or those in a folder <entity>/."""
        if self.inputs is None or not self.inputs.is_dir():
            return
        for path in sorted(self.inputs.iterdir()):
            if path.name.startswith((".", "_")):
                continue
            if path.is_dir():
                for part in sorted(path.iterdir()):
                    if part.suffix.lower() in READABLE and not part.name.startswith((".", "_")):
                        yield path.name, part
            elif path.suffix.lower() in READABLE:
                yield path.name.split(".")[0], path

    def held_files(self) -> Iterator[tuple[str, Path]]:
        """The same of the inputs that the project keeps itself."""
        if self.layout.held.is_dir():
            for path in sorted(self.layout.held.glob("*.parquet")):
                yield path.stem, path

    def restricted_files(self) -> Iterator[tuple[str, Path]]:
        """Table and Parquet file of what carries names."""
        if self.layout.restricted.is_dir():
            for path in sorted(self.layout.restricted.rglob("*.parquet")):
                yield path.stem, path

    def databases(self) -> Iterator[Path]:
        """The DuckDB files, kept publishes first ... the current one stands for itself where it is none of them."""
        for path in (self.database, self.layout.memory):
            if path.exists():
                yield path
        yield from self.publishes()
        if self.layout.current.exists():
            yield self.layout.current

    def publishes(self) -> Iterator[Path]:
        """The DuckDB file of every kept publish."""
        for build_id in self.layout.kept_builds():
            yield self.layout.kept(build_id) / "marts.duckdb"

    def texts(self) -> Iterator[Path]:
        """Files made by builds and audits, and what a build has put aside: removed where they name who is erased."""
        for folder in (self.layout.audits, self.target, self.logs):
            if folder.is_dir():
                yield from sorted(path for path in folder.rglob("*") if path.is_file())

    def others(self) -> Iterator[Path]:
        """Files in the input folder that no build reads: left alone, but told of where they name who is erased."""
        if self.inputs is None or not self.inputs.is_dir():
            return
        read = {path for _, path in self.input_files()}
        for path in sorted(self.inputs.rglob("*")):
            if path.is_file() and path not in read:
                yield path
