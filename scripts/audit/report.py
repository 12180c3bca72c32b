"""What an audit found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Severity = Literal["error", "warn"]


@dataclass(frozen=True)
class Finding:
    """One expectation on one mart and what became of it.

    `observed` and `limits` are for people, units included; `message` is one sentence and names neither accounts nor
    any other row of the marts. An expectation that could not be asked, as there is nothing to compare with, has
    succeeded, and `observed` says why.
    """

    mart: str
    expectation: str
    column: str | None
    severity: Severity
    success: bool
    observed: str
    limits: str
    message: str
    seconds: float


@dataclass(frozen=True)
class AuditReport:
    """All findings of an audit, the pages that show them, and the seconds it took."""

    results: tuple[Finding, ...]
    index: Path
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the marts may be published: no expectation of severity error has failed."""
        return not self.failures

    @property
    def failures(self) -> tuple[Finding, ...]:
        """What stands against publishing."""
        return tuple(one for one in self.results if not one.success and one.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What should be looked at and does not stop the publish; without what fails at the level error as well."""
        return warnings_of(self.results)


def warnings_of(results: Iterable[Finding]) -> tuple[Finding, ...]:
    """The failed findings of severity warn whose expectation did not fail at the level error too."""
    results = list(results)
    refused = {_asked(one) for one in results if not one.success and one.severity == "error"}
    return tuple(one for one in results if not one.success and one.severity == "warn" and _asked(one) not in refused)


def _asked(one: Finding) -> tuple[str, str, str | None]:
    return one.mart, one.expectation, one.column
