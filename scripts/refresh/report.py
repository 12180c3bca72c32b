"""How a command of the refresh ended: exit codes, what is said, and what ends the work early."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

from . import state


class Exit(IntEnum):
    """Exit codes of the commands that publish."""

    PUBLISHED = 0
    REFUSED = 1
    INPUT = 2
    BUSY = 3
    FAILED = 4


@dataclass
class Report:
    """How it ended, for people and schedulers."""

    run: state.Run
    published: str | None = None
    rows: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    data_docs: Path | None = None
    deliveries: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """One of Exit."""
        return int(self.run.exit_code if self.run.exit_code is not None else Exit.FAILED)

    def lines(self) -> list[str]:
        """The same for people: the outcome first, then what to know about it."""
        run = self.run
        if self.published and run.action == "rollback":
            first = f"Rolled back: {self.published} is published again."
        elif self.published:
            took = f"{run.seconds:.0f} s" if run.seconds is not None else "?"
            first = f"Published {self.published} as of {run.as_of_date}: {len(self.rows)} marts in {took}."
        elif run.exit_code == 0 and run.action == "erase":
            first = str(run.reason)
        elif run.status == "dry_run":
            first = f"Dry run as of {run.as_of_date}: {run.reason}"
        else:
            said = {
                "refused": "Refused by the audit; what was published stays.",
                "input_error": "The input or the configuration is wrong; what was published stays.",
                "busy": "Busy.",
            }.get(run.status, "Failed; what was published stays." if run.exit_code else "Done.")
            first = said + (f"\n{run.reason}" if run.reason else "")
        return [
            first,
            *(f"Failed: {one}" for one in self.failures),
            *(f"Warned: {one}" for one in self.warnings),
            *([f"Data Docs: {self.data_docs}"] if self.data_docs else []),
            *(f"Note: {one}" for one in self.notes),
            *self.deliveries,
        ]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for --json."""
        plain = {key: str(value) if isinstance(value, datetime) else value for key, value in vars(self.run).items()}
        return {
            **plain,
            "published": self.published,
            "rows": self.rows,
            "failures": self.failures,
            "warnings": self.warnings,
            "notes": self.notes,
            "data_docs": str(self.data_docs) if self.data_docs else None,
            "deliveries": self.deliveries,
        }


class Stop(Exception):
    """Ends the work with an exit code, a status and one sentence (more in the lines below it)."""

    def __init__(self, code: Exit, status: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.status = code, status


def wrong(reason: str) -> Stop:
    """Input or configuration is wrong; the reason says what, and what to do."""
    return Stop(Exit.INPUT, "input_error", reason)


def in_use(file: Path) -> Stop:
    """Another process has the database open."""
    return Stop(Exit.BUSY, "busy", f"Another process has {file} open; it must close it first.")
