"""Bestand in Dagster: every model an asset, every dbt test a check on it, and publishing the asset that follows.

    DAGSTER_HOME=$PWD/.cache/dagster-home .cache/dagster/bin/dagster dev -f examples/schedules/dagster/definitions.py

Settings, from the environment: BESTAND_VARS (the project's vars as YAML, as for --vars; default: the demo),
BESTAND_DATABASE, BESTAND_PUBLISH_DIR, BESTAND_COMMAND (default: .venv/bin/bestand of the project).
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import yaml
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets

# dbt stands beside this Python, which need not be the first on the path
os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
# where only some assets are materialised, a test of several models runs if all of them are there
os.environ.setdefault("DBT_INDIRECT_SELECTION", "buildable")

ROOT = Path(__file__).resolve().parents[3]

# What the exit codes of `bestand publish` mean; 3 (busy) is tried again.
PUBLISHED, REFUSED, BUSY = 0, 1, 3
MEANING = {
    REFUSED: "The audit refused the marts; what was published stays.",
    2: "The input or the configuration is wrong; what was published stays.",
    BUSY: "Another refresh or publish is running.",
    4: "Publishing failed; what was published stays.",
}
TRIES_WHEN_BUSY, SECONDS_BETWEEN = 10, 60

VARS: dict[str, Any] = yaml.safe_load(os.environ.get("BESTAND_VARS", "{}")) or {}
DEFAULTS: dict[str, Any] = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
TIME_ZONE = str({**DEFAULTS, **VARS}["reporting_time_zone"])


def text_of(variables: Mapping[str, Any]) -> str:
    """Vars as dbt and bestand take them."""
    return json.dumps(dict(variables), sort_keys=True, default=str)


def prepared_project() -> DbtProject:
    """The dbt project with a manifest that is no older than its files, in a folder of its own per set of vars."""
    # vars decide which models there are: the demo's seeds are none where the input comes from files
    name = hashlib.sha256(text_of(VARS).encode()).hexdigest()[:8]
    project = DbtProject(
        project_dir=ROOT,
        target_path=ROOT / os.environ.get("DBT_TARGET_PATH", "target") / "dagster" / name,
        profiles_dir=ROOT / "profiles",
        # which day does not matter for what there is, but there must be one
        prepare_project_cli_args=["parse", "--quiet", "--vars", text_of({"as_of_date": "2000-01-01", **VARS})],
    )
    files = (
        file
        for part in ("models", "macros", "seeds", "tests/generic", "tests/data")
        for file in (ROOT / part).rglob("*.*")
    )
    newest = max(file.stat().st_mtime for file in [ROOT / "dbt_project.yml", *files])
    if not project.manifest_path.exists() or project.manifest_path.stat().st_mtime < newest:
        project.preparer.prepare(project)
    return project


PROJECT = prepared_project()


class Day(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The day a run is for; the schedule sets it. Empty: the demo's day. Other input has no day of its own."""

    as_of: str = ""

    def variables(self) -> dict[str, Any]:
        """The project's vars for this day."""
        return {**VARS, **({"as_of_date": self.as_of} if self.as_of else {})}


class Layers(DagsterDbtTranslator):
    """Groups assets as the project's folders do: a mart by its subject, all else by its layer."""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """The asset of a model or seed, in its group."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        return spec.replace_attributes(group_name=group_of(self.get_resource_props(manifest, unique_id)))


def group_of(node: Mapping[str, Any]) -> str:
    """The group of a dbt node: models/marts/churn/... is `churn`, models/staging/... is `staging`."""
    folders = Path(node["original_file_path"]).parts[1:-1]
    if node["resource_type"] == "seed":
        return "_".join(("seeds", *folders[:1]))
    return folders[1] if folders[0] == "marts" and len(folders) > 1 else folders[0]


@dbt_assets(
    manifest=PROJECT.manifest_path,
    project=PROJECT,
    dagster_dbt_translator=Layers(),
    name="dbt_build",
)
def marts(context: dg.AssetExecutionContext, dbt: DbtCliResource, day: Day) -> Iterator[Any]:
    """Runs dbt build. A test that fails with severity error fails the run; a warning does not."""
    # unit tests hold the SQL to given rows and belong to CI; here the data are tested
    arguments = ["build", "--exclude-resource-type", "unit_test", "--vars", text_of(day.variables())]
    yield from dbt.cli(arguments, context=context).stream()


@dg.asset(
    deps=[key for key in marts.keys if key.path[0] == "marts"],
    group_name="publish",
    check_specs=[dg.AssetCheckSpec("audit", asset="published", description="The marts as they would be published.")],
    kinds={"duckdb", "parquet"},
)
def published(context: dg.AssetExecutionContext, day: Day) -> Iterator[Any]:
    """The marts where BI tools read them: audited, then swapped whole (`bestand publish`)."""
    command = os.environ.get("BESTAND_COMMAND", str(ROOT / ".venv" / "bin" / "bestand"))
    order = [command, "publish", "--json", "--built", "--vars", text_of(day.variables())]
    environment = {**os.environ, "DBT_TARGET_PATH": str(PROJECT.target_path)}
    ended = subprocess.run(order, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    told = report_of(ended.stdout)
    facts = {name: str(told[name]) for name in ("build_id", "as_of_date", "data_docs") if told.get(name)}
    if ended.returncode == BUSY:
        context.log.info(MEANING[BUSY])
        raise dg.RetryRequested(max_retries=TRIES_WHEN_BUSY, seconds_to_wait=SECONDS_BETWEEN)
    if ended.returncode in (PUBLISHED, REFUSED):
        failures, warnings = told.get("failures", []), told.get("warnings", [])
        yield dg.AssetCheckResult(
            passed=ended.returncode == PUBLISHED,
            check_name="audit",
            metadata={"failures": failures, "warnings": warnings},
        )
    if ended.returncode != PUBLISHED:
        meaning = MEANING.get(ended.returncode, f"It ended with the exit code {ended.returncode}.")
        raise dg.Failure(f"{meaning} {told.get('reason') or ''}".strip(), metadata=facts, allow_retries=False)
    yield dg.MaterializeResult(metadata={**facts, "rows": told.get("rows", {})})


def report_of(text: str) -> dict[str, Any]:
    """The JSON document of `--json`; empty where the command ended before it could write one."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


refresh = dg.define_asset_job("refresh", selection=dg.AssetSelection.all(), description="Build, check and publish.")


@dg.schedule(job=refresh, cron_schedule="30 6 * * *", execution_timezone=TIME_ZONE)
def every_morning(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """At half past six in the reporting time zone, for the day it was to run on, also when it runs late."""
    day = context.scheduled_execution_time.astimezone(ZoneInfo(TIME_ZONE)).date().isoformat()
    return dg.RunRequest(run_key=day, run_config=for_day(day), tags={"as_of": day})


def for_day(day: str) -> dict[str, Any]:
    """The run config that builds and publishes the state of a day, YYYY-MM-DD."""
    return {"resources": {"day": {"config": {"as_of": day}}}}


defs = dg.Definitions(
    assets=[marts, published],
    jobs=[refresh],
    schedules=[every_morning],
    resources={"dbt": DbtCliResource(project_dir=PROJECT), "day": Day.configure_at_launch()},
)
