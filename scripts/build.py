"""Runs dbt in-process, shows how far it is, and says in a few lines what went wrong."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt_common.events.base_types import EventMsg
from rich.console import Console

from . import paths
from .docs import project_vars

GOOD = ("success", "pass", "skipped", "no-op", "warn", "partial success")
LINES_SHOWN = 12


@dataclass(frozen=True)
class Node:
    """What became of one model, seed or test of a run."""

    name: str
    resource_type: str
    path: str
    layer: str
    status: str
    seconds: float
    message: str
    failures: int | None
    severity: str
    tested: str | None
    column: str | None

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong about it (warnings are not)."""
        return self.status in GOOD


@dataclass(frozen=True)
class Outcome:
    """How a dbt command ended: its exit code, the first error readable, and what else failed."""

    exit_code: int
    counts: Mapping[str, int]
    error: str = ""
    also_failed: tuple[str, ...] = ()
    skipped: int = 0
    warnings: tuple[str, ...] = ()
    nodes: tuple[Node, ...] = ()


def run_dbt(
    command: str, *arguments: str, variables: Mapping[str, Any], console: Console, verbose: bool = False
) -> Outcome:
    """Runs one dbt command on the project with the database of BESTAND_DATABASE."""
    variables, environment = _without_the_day(variables)
    order = [
        *(() if verbose else ("--log-level", "none")),
        command,
        *arguments,
        "--project-dir", str(paths.ROOT),
        "--profiles-dir", str(paths.ROOT / "profiles"),
        "--target-path", str(paths.target()),
        "--log-path", str(paths.logs()),
        "--vars", json.dumps(dict(variables), default=str),
    ]  # fmt: skip
    with (
        _in_environment(BESTAND_DATABASE=str(paths.database()), **environment),
        warnings.catch_warnings(),
        console.status("Reading the project ...") as status,
    ):
        # dbt gives agate the types of all columns of a seed, also of those that this seed leaves out
        warnings.filterwarnings("ignore", message=".* does not match the name of any column", category=RuntimeWarning)

        def show(event: EventMsg) -> None:
            if event.info.name == "LogStartLine":
                data = event.data
                status.update(f"{data.index} of {data.total}: {data.description}")

        if verbose:
            status.stop()
        result = dbtRunner(callbacks=[] if verbose else [show]).invoke(order)
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    return _outcome(result)


def _without_the_day(variables: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The vars without the as-of date, and the environment that tells it: another day is no reason to parse anew."""
    effective = {**project_vars(), **variables}
    if effective["crm_source"] == "seeds" or not variables.get("as_of_date") or project_vars()["as_of_date"]:
        return dict(variables), {}
    others = {name: value for name, value in variables.items() if name != "as_of_date"}
    return others, {"BESTAND_AS_OF_DATE": str(variables["as_of_date"])}


@contextmanager
def _in_environment(**values: str) -> Iterator[None]:
    """What the profile and the macros read; a relative path holds from the project root, wherever a command is run."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _outcome(result: dbtRunnerResult) -> Outcome:
    results: Sequence[Any] = getattr(result.result, "results", None) or []
    counts: dict[str, int] = {}
    failed = []
    for one in results:
        status = str(one.status)
        counts[status] = counts.get(status, 0) + 1
        if status not in GOOD:
            failed.append(one)
    warnings = tuple(one.node.name for one in results if str(one.status) == "warn")
    nodes = tuple(_node(one) for one in results)
    if result.success:
        return Outcome(0, counts, warnings=warnings, nodes=nodes)
    if failed:
        return Outcome(
            1,
            counts,
            error=_describe(failed[0]),
            also_failed=tuple(one.node.name for one in failed[1:]),
            skipped=counts.get("skipped", 0),
            warnings=warnings,
            nodes=nodes,
        )
    error = _shortened(str(result.exception or "dbt gave no reason; see its log"))
    return Outcome(2, counts, error=error, nodes=nodes)


def _node(one: Any) -> Node:
    node = one.node
    about = getattr(node, "attached_node", None) or next(iter(getattr(node, "depends_on_nodes", None) or []), None)
    path = str(getattr(node, "original_file_path", ""))
    return Node(
        name=str(node.name),
        resource_type=str(node.resource_type),
        path=path,
        layer="/".join(path.split("/")[1:-1]) or path.split("/")[0],
        status=str(one.status),
        seconds=round(float(one.execution_time or 0), 4),
        message=_shortened(str(one.message or "")).strip(),
        failures=one.failures,
        severity=str(getattr(node.config, "severity", "") or "error").lower(),
        tested=about.rsplit(".", 1)[-1] if about else None,
        column=getattr(node, "column_name", None),
    )


def _describe(one: Any) -> str:
    where = getattr(one.node, "original_file_path", "")
    lines = [f"{one.node.resource_type} {one.node.name} ({where}): {one.status}", _shortened(str(one.message or ""))]
    compiled = getattr(one.node, "compiled_path", None)
    if str(one.status) == "fail" and compiled:
        lines.append(f"  The rows that fail it: {compiled}")
    return "\n".join(line for line in lines if line.strip())


def _shortened(message: str) -> str:
    # without what is said already (whose error it is) and without the macros it came through
    noise = re.compile(r"\s*(\w+ Error in \w+ \w+ \(.*\)|> (in|called by) .*)?\s*")
    lines = [f"  {line.strip()}" for line in message.splitlines() if not noise.fullmatch(line)]
    if len(lines) > LINES_SHOWN:
        lines = [*lines[:LINES_SHOWN], f"  ... {len(lines) - LINES_SHOWN} more lines in {paths.logs() / 'dbt.log'}"]
    return "\n".join(lines)
