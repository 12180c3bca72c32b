"""What dbt's results mean for a refresh: rows for its record, and whose fault a failure is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import blame
from .candidate import Build, Details
from .report import Exit, Stop, wrong

if TYPE_CHECKING:
    from ..audit import Finding
    from ..build import Node, Outcome


def details(build_id: str, outcome: Outcome, rows: Mapping[str, int]) -> Details:
    """Rows for model_runs and test_results; `rows` tells how many a model's table has."""
    models, tests = [], []
    for node in outcome.nodes:
        if node.resource_type == "test":
            tests.append({
                "build_id": build_id, "tool": "dbt", "test": node.name, "mart": node.tested,
                "column_name": node.column, "severity": node.severity, "status": node.status,
                "failures": node.failures, "message": None if node.status == "pass" else node.message,
            })  # fmt: skip
        elif node.resource_type in ("model", "seed"):
            models.append({
                "build_id": build_id, "model": node.name, "resource_type": node.resource_type,
                "layer": node.layer, "status": node.status, "seconds": node.seconds,
                "rows_written": rows.get(node.name) if node.status == "success" else None,
                "message": None if node.status == "success" else node.message,
            })  # fmt: skip
    return Details(models, tests)


def expectation(build_id: str, one: Finding) -> dict[str, Any]:
    """A row of test_results for what the audit found of one expectation."""
    status = "pass" if one.success else "fail" if one.severity == "error" else "warn"
    return {
        "build_id": build_id, "tool": "great_expectations", "test": one.expectation, "mart": one.mart,
        "column_name": one.column, "severity": one.severity, "status": status, "failures": None,
        "message": None if one.success else one.message,
    }  # fmt: skip


def why(outcome: Outcome, build: Build, working: Path, variables: Mapping[str, Any]) -> Stop:
    """Whose fault it is decides the exit code: the input's, the numbers', or the build's."""
    also = f"\nFailed as well: {', '.join(outcome.also_failed)}" if outcome.also_failed else ""
    reason = outcome.error.strip() + also
    bad = [node for node in outcome.nodes if not node.is_good]
    told = [reason, *(node.message for node in bad)]
    if "Could not set lock" in reason:
        return Stop(Exit.BUSY, "busy", reason)
    if any("No space left" in text or "Permission denied" in text for text in told):
        return Stop(Exit.FAILED, "failed", reason)
    if not bad or any(_is_about_input(node) for node in bad):
        entities = sorted({node.tested.removeprefix("validated_") for node in bad if _is_gate(node) and node.tested})
        folder = Path(str(variables["crm_files"])) if build.crm_source == "files" else None
        rows = [row for entity in entities for row in blame.refused_rows(working, build, entity, folder)]
        return wrong("\n".join([reason, *rows]))
    if all(node.resource_type == "test" and node.status == "fail" for node in bad):
        return Stop(Exit.REFUSED, "refused", reason)
    return Stop(Exit.FAILED, "failed", reason)


def _is_gate(node: Node) -> bool:
    return (node.tested or "").startswith("validated_")


def _is_about_input(node: Node) -> bool:
    # what a model says through raise_in_sql is a sentence for the user about his input: a missing rate, say
    return (
        node.resource_type == "operation"
        or node.path.startswith(("models/staging", "models/conformed"))
        or _is_gate(node)
        or "Invalid Input Error" in node.message
    )
