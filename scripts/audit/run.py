"""Runs the suites over the marts as they would be published."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from .. import paths
from ..generate import read_contract
from .profiles import AuditError, Profile, opened
from .report import AuditReport, Finding
from .suites import SUITES


def audit(candidate: Path, previous: Path | None, site: Path, *, as_of: date, marts: Collection[str]) -> AuditReport:
    """Holds the marts of a candidate against their suites and the last publish, and writes the pages that show it.

    `candidate` and `previous` are DuckDB files with a schema marts, opened read-only; no other connection of this
    process may have them open for writing. `previous` is the last publish, None for the first: what would be compared
    with it is then left out and reported as such, all else holds. `marts` are those that were to be built: of these,
    one that the candidate lacks is a failure; others are left out. `site` is created; nothing else is written, and
    nothing is sent anywhere. Raises AuditError where a file cannot be opened.
    """
    started = time.perf_counter()
    with _quiet():
        from .expectations import Builder
        from .pages import Pages
        from .validation import Validator

        results: list[Finding] = []
        pages = Pages(site, as_of)
        with opened(candidate, previous, as_of, marts, sorted(read_contract(paths.ROOT))) as profile:
            validator = Validator()
            for name in sorted(set(marts)):
                begun = time.perf_counter()
                mart = SUITES.get(name)
                if not profile.is_there(name):
                    results.append(_missing(name))
                    continue
                if mart is None:
                    results.append(_without_suite(name))
                    continue
                suite = Builder(mart, profile).suite()
                shared = (time.perf_counter() - begun) / max(len(suite.checks) + len(suite.skipped), 1)
                found, result = validator.validate(suite, shared)
                results += found
                pages.mart(suite, found, result)
            compared = _compared(profile, previous)
        index = pages.index(results, compared)
    return AuditReport(tuple(results), index, time.perf_counter() - started)


def _missing(mart: str) -> Finding:
    message = f"{mart}: was to be built and is not among the marts to publish."
    return Finding(mart, "expect_mart_to_exist", None, "error", False, "missing", "there", message, 0.0)


def _without_suite(mart: str) -> Finding:
    message = f"{mart}: has no suite in scripts/audit/suites, nothing is expected of it."
    return Finding(mart, "expect_suite_to_exist", None, "warn", False, "no suite", "a suite", message, 0.0)


def _compared(profile: Profile, previous: Path | None) -> str:
    if previous is None:
        return "There is no last publish: what would be compared with it is left out."
    if profile.previous_as_of is None:
        return "Compared with the last publish, whose as-of date is not known."
    return f"Compared with the last publish, of {profile.previous_as_of:%-d %B %Y}."


@contextmanager
def _quiet() -> Iterator[None]:
    """No telemetry, no progress bars, no log lines and no warnings of Great Expectations and what it uses."""
    settings = {"GX_ANALYTICS_ENABLED": "false", "TQDM_DISABLE": "1"}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    # its loggers set levels of their own: what they say ends at the root of them, also what they say when Python ends
    logging.getLogger("great_expectations").handlers = [logging.NullHandler()]
    logging.getLogger("great_expectations").propagate = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


__all__ = ["AuditError", "audit"]
