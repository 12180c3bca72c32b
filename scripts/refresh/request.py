"""What a refresh is asked to do, and the build that makes of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from .. import __version__, paths
from ..docs import project_vars
from .candidate import Build
from .layout import KEPT
from .report import wrong


@dataclass(frozen=True)
class Request:
    """What a refresh is asked to do."""

    variables: Mapping[str, Any] = field(default_factory=dict)
    target: str | None = None
    marts: tuple[str, ...] = ()
    full: bool = False
    dry_run: bool = False
    accept_changes: bool = False
    keep: int = KEPT


def planned(request: Request, build_id: str, held: Path) -> tuple[dict[str, Any], Build]:
    """The vars dbt gets and the build they make. Stop: something asked for is not there, or no day."""
    variables = dict(request.variables)
    effective = {**project_vars(), **variables}
    source = str(effective["crm_source"])
    _check_target(request.target)
    known = {one.stem for one in (paths.ROOT / "models" / "marts").rglob("*.sql")}
    for name in request.marts:
        if name not in known:
            raise wrong(f"There is no mart {name}; there are: {', '.join(sorted(known))}.")
    if source != "seeds":
        variables.setdefault("crm_held_files", str(held.resolve()))
        if not effective["as_of_date"]:
            given = os.environ.get("BESTAND_AS_OF_DATE")
            variables["as_of_date"] = given or _today(str(effective["reporting_time_zone"]))
    as_of = str(variables.get("as_of_date") or effective["as_of_date"] or effective["demo_as_of_date"])
    if not _is_day(as_of):
        raise wrong(f"The as-of date is '{as_of}'; expected a day as YYYY-MM-DD.")
    prefix = f"{effective['schema_prefix']}_" if effective["schema_prefix"] else ""
    return variables, Build(
        build_id=build_id,
        as_of_date=as_of,
        marts=tuple(sorted(request.marts or known)),
        schema=f"{prefix}marts",
        conformed=f"{prefix}conformed",
        staging=f"{prefix}staging",
        quarantine=f"{prefix}quarantine",
        reporting_currency=str(effective["reporting_currency"]),
        crm_source=source,
        project_version=__version__,
        is_full=request.full,
    )


def _check_target(target: str | None) -> None:
    profiles = yaml.safe_load((paths.ROOT / "profiles" / "profiles.yml").read_text(encoding="utf-8"))["bestand"]
    outputs = profiles["outputs"]
    name = target or profiles["target"]
    if name not in outputs:
        raise wrong(f"There is no target {name}; profiles/profiles.yml has: {', '.join(outputs)}.")
    if outputs[name]["type"] != "duckdb":
        raise wrong(
            f"The target {name} is not a DuckDB file; a refresh publishes from one. Build there with dbt itself."
        )


def _today(zone: str) -> str:
    try:
        return f"{datetime.now(ZoneInfo(zone)):%Y-%m-%d}"
    except (KeyError, ValueError) as error:
        raise wrong(f"The var reporting_time_zone is '{zone}', which is no time zone.") from error


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
