"""Runs the Dagster project of examples/schedules in its own environment, for test_schedules.py.

    python dagster_runs.py definitions.py '[{"keys": ["marts/alerts"], "day": "2026-07-01", "environment": {}}]'

Prints, after a line of dashes, one JSON document: what the project defines and how each of the runs ended.
"""

import importlib.util
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg


def main(path: str, orders: list[dict[str, Any]]) -> dict[str, Any]:
    """What the project defines and how each run ended."""
    specification = importlib.util.spec_from_file_location("definitions", path)
    project = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(project)
    dg.Definitions.validate_loadable(project.defs)
    return {**described(project), "runs": [run(project, **order) for order in orders]}


def described(project: Any) -> dict[str, Any]:
    """Assets with their groups and what they need, checks, and what the schedule would run when."""
    graph = project.defs.resolve_asset_graph()
    assets = {
        key.to_user_string(): {
            "group": graph.get(key).group_name,
            "needs": sorted(one.to_user_string() for one in graph.get(key).parent_keys),
        }
        for key in graph.get_all_asset_keys()
    }
    checks = [f"{key.asset_key.to_user_string()}: {key.name}" for key in graph.asset_check_keys]
    schedule = project.every_morning
    asked = {}
    for text in ("2026-07-01T04:30:00", "2026-07-01T22:30:00", "2026-12-31T23:30:00"):
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
        request = schedule(dg.build_schedule_context(scheduled_execution_time=moment))
        asked[text] = {"key": request.run_key, "config": request.run_config}
        dg.validate_run_config(project.defs.resolve_job_def("refresh"), request.run_config)
    return {
        "assets": assets,
        "checks": sorted(checks),
        "schedule": {"cron": schedule.cron_schedule, "zone": schedule.execution_timezone, "asks": asked},
    }


def run(
    project: Any,
    keys: list[str],
    day: str,
    environment: dict[str, str],
    settings: dict[str, Any] | None = None,
    files: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Materialises assets for a day: those named, with a plus before the name also what they need."""
    os.environ.update(environment)
    for name, value in (settings or {}).items():
        setattr(project, name, value)
    for name, text in (files or {}).items():
        Path(name).write_text(text, encoding="utf-8")
    selection = dg.AssetSelection.from_string(" or ".join(quoted(key) for key in keys))
    graph = project.defs.resolve_asset_graph()
    begin = time.monotonic()
    with dg.DagsterInstance.ephemeral() as instance:
        result = project.defs.resolve_job_def("refresh").execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config=project.for_day(day) if day else None,
            asset_selection=sorted(selection.resolve(graph)),
        )
        events = result.all_events
        return {
            "success": result.success,
            "seconds": time.monotonic() - begin,
            "materialised": {
                event.asset_key.to_user_string(): {
                    name: value.value for name, value in event.materialization.metadata.items() if plain(value.value)
                }
                for event in events
                if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION
            },
            "checks": {
                f"{one.asset_key.to_user_string()}: {one.check_name}": {
                    "passed": one.passed,
                    "severity": one.severity.value,
                    "metadata": {name: value.value for name, value in one.metadata.items() if plain(value.value)},
                }
                for one in result.get_asset_check_evaluations()
            },
            "failures": [
                str(getattr(event.event_specific_data, "error_display_string", ""))
                + str(getattr(event.step_failure_data.user_failure_data, "description", ""))
                for event in events
                if event.event_type == dg.DagsterEventType.STEP_FAILURE
            ],
            "retries": [
                event.event_specific_data.seconds_to_wait
                for event in events
                if event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY
            ],
        }


def quoted(key: str) -> str:
    """A key, or +key, in Dagster's selection syntax."""
    return f'{"+" if key[0] == "+" else ""}key:"{key.lstrip("+")}"'


def plain(value: Any) -> bool:
    """Whether a value can stand in JSON."""
    return isinstance(value, str | int | float | bool | list | dict | type(None))


if __name__ == "__main__":
    found = main(sys.argv[1], json.loads(sys.argv[2]))
    print("-" * 20)
    print(json.dumps(found, default=str))
