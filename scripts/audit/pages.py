"""The Data Docs: one page per mart, rendered by Great Expectations, and an index that says what matters first.

Great Expectations' own page frames load styles and scripts from half a dozen hosts and are unreadable without them.
Here its renderers fill frames of our own that need one style sheet beside them and no script.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from great_expectations import __version__ as gx_version
from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
from great_expectations.render.view.view import DefaultJinjaPageView

from .expectations import Suite
from .report import Finding, warnings_of
from .suites import FOLDERS

TEMPLATES = Path(__file__).with_name("templates")
STYLES = "audit.css"
# What the rendered row of an expectation that only warns says of itself, and how it looks when it fails.
WARNS = "Only a warning."
FAILED, WARNED = '"fa-times", "text-danger"', '"fa-exclamation-triangle", "text-warning"'


@dataclass(frozen=True)
class Row:
    """One mart on the index."""

    mart: str
    page: str | None
    asked: int
    skipped: int
    failed: int
    warned: int

    @property
    def verdict(self) -> str:
        """failed, warned or passed."""
        return "failed" if self.failed else "warned" if self.warned else "passed"


class Pages:
    """Writes the pages of one audit into a folder."""

    def __init__(self, site: Path, as_of: date) -> None:
        self._site = site
        self._as_of = as_of
        self._renderer = ValidationResultsPageRenderer()
        self._templates = DefaultJinjaPageView(custom_views_directory=str(TEMPLATES)).env
        self._templates.globals |= {"as_of": f"{as_of:%-d %B %Y}", "gx_version": gx_version, "styles": STYLES}
        self._rows: dict[str, Row] = {}
        site.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(TEMPLATES / STYLES, site / STYLES)

    def mart(self, suite: Suite, findings: Sequence[Finding], result: ExpectationSuiteValidationResult) -> None:
        """Writes the page of a mart."""
        skipped = [one for one in findings if one.success and one.seconds == 0]
        failures, warnings = _refused(findings), warnings_of(findings)
        page = f"{suite.mart}.html"
        row = Row(suite.mart, page, len(findings) - len(skipped), len(skipped), len(failures), len(warnings))
        self._rows[suite.mart] = row
        # the first section is about frames of data in memory
        sections = self._renderer.render(result).to_json_dict()["sections"][1:]
        for section in sections:
            for block in section["content_blocks"]:
                if "table" in block:
                    block["table"] = [_softened(cells) for cells in block["table"]]
        self._write(
            page, "mart.j2",
            row=row, notes=suite.notes, failures=failures, warnings=warnings, skipped=skipped, sections=sections,
        )  # fmt: skip

    def index(self, findings: Sequence[Finding], compared: str) -> Path:
        """Writes the first page and returns its path: the verdict, what failed and warned, every mart."""
        for one in findings:
            if one.mart not in self._rows:
                failed = not one.success and one.severity == "error"
                self._rows[one.mart] = Row(one.mart, None, 0, 0, int(failed), int(not failed))
        known = {mart.name for marts in FOLDERS.values() for mart in marts}
        folders: dict[str, list[str]] = {folder: [mart.name for mart in marts] for folder, marts in FOLDERS.items()}
        folders["others"] = sorted(set(self._rows) - known)
        rows = {
            folder.replace("_", " "): [self._rows[mart] for mart in marts if mart in self._rows]
            for folder, marts in folders.items()
        }
        return self._write(
            "index.html", "index.j2",
            pages={name for name, row in self._rows.items() if row.page},
            folders={folder: found for folder, found in rows.items() if found},
            failures=_refused(findings), warnings=warnings_of(findings), compared=compared,
            asked=sum(row.asked for row in self._rows.values()),
            skipped=sum(row.skipped for row in self._rows.values()), marts=len(self._rows),
        )  # fmt: skip

    def _write(self, name: str, template: str, **values: Any) -> Path:
        path = self._site / name
        path.write_text(self._templates.get_template(template).render(values), encoding="utf-8")
        return path


def _refused(findings: Sequence[Finding]) -> list[Finding]:
    return [one for one in findings if not one.success and one.severity == "error"]


def _softened(cells: Any) -> Any:
    text = json.dumps(cells)
    return json.loads(text.replace(FAILED, WARNED)) if WARNS in text else cells
