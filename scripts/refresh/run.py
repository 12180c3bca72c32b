"""A refresh from lock to record; and what shares its steps: publishing again, rolling back, auditing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import duckdb
import yaml
from rich.console import Console

from .. import __version__, notify, paths
from ..docs import project_vars, read_manifest
from ..notify import Channels, ConfigurationError
from ..warehouse import NoMarts
from . import blame, candidate, lock, state, swap

if TYPE_CHECKING:
    from ..audit import Finding
    from ..build import Node, Outcome
from .layout import KEPT, Layout, new_build_id, sync
from .steps import reached


class Exit(IntEnum):
    """Exit codes of the commands that publish."""

    PUBLISHED = 0
    REFUSED = 1
    INPUT = 2
    BUSY = 3
    FAILED = 4


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


def refresh(request: Request, console: Console) -> Report:
    """Builds, audits and publishes; every way it can end is a Report, never an exception."""
    return _locked("refresh", console, lambda work: _refresh(request, work), dry_run=request.dry_run)


def publish(keep: int, console: Console, request: Request | None = None, *, accept_changes: bool = False) -> Report:
    """Audits and publishes the working database as the last complete build left it.

    With a request it is taken for what dbt has built without `bestand refresh` (by hand, or by another scheduler) with
    the request's vars; all its marts must be there and be of its day.
    """

    def work(job: Job) -> None:
        job.accepts_changes = accept_changes
        with _alone(paths.database()):
            build = read_build(paths.database()) if request is None else _adopted(request, job)
            _describe(job.run, build)
            _publish(job, build, candidate.Details(), keep)

    return _locked("publish", console, work)


def audit(console: Console) -> Report:
    """Audits what the working database holds; publishes and records nothing."""

    def work(job: Job) -> None:
        with _alone(paths.database()):
            build = read_build(paths.database())
            _describe(job.run, build)
            _try_out(job, build)

    return _locked("audit", console, work, dry_run=True)


def rollback(build_id: str | None, console: Console) -> Report:
    """Makes a kept publish the current one; without a build, the newest kept before the current one."""

    def work(job: Job) -> None:
        kept = job.layout.kept_builds()
        current = swap.current_build(job.layout)
        older = [one for one in kept if current is None or one < current]
        chosen = build_id or next(iter(older), None)
        if chosen is None:
            raise Stop(Exit.INPUT, "input_error", "No earlier publish is kept.")
        if chosen not in kept:
            raise Stop(
                Exit.INPUT, "input_error", f"No publish {chosen} is kept; there are: {', '.join(kept) or 'none'}."
            )
        _to_postgres(job.layout.kept(chosen) / "marts.duckdb", chosen)
        swap.swap(job.layout, chosen)
        job.run.finish("published", Exit.PUBLISHED, f"back to {chosen}, before it {current}")
        job.report.published = chosen

    return _locked("rollback", console, work)


@dataclass
class Job:
    """What the steps of one command share."""

    layout: Layout
    run: state.Run
    report: Report
    console: Console
    findings: Sequence[Mapping[str, Any]] = ()
    accepts_changes: bool = False  # a meant restatement: audited as a first publish
    previous: Path | None = None


def _locked(action: str, console: Console, work: Callable[[Job], None], *, dry_run: bool = False) -> Report:
    run = state.Run(new_build_id(), action, state.utc_now(), project_version=__version__)
    layout = Layout.from_environment()
    report = Report(run)
    job = Job(layout, run, report, console)
    channels = None
    try:
        channels = Channels.from_environment()
        layout.prepare()
        with _told_to_stop(), lock.held(layout.lock, action) as stale:
            reached("taking the lock")
            if stale:
                report.notes.append(f"The {stale.get('action')} of {stale.get('since')} ended without finishing.")
            report.notes += swap.heal(layout)
            _remember(job, dry_run)
            try:
                _finish_erasure(job)
                work(job)
            except Stop as stop:
                run.finish(stop.status, stop.code, str(stop))
            except KeyboardInterrupt:
                run.finish("interrupted", Exit.FAILED, "It was told to stop.")
            except (OSError, duckdb.Error, candidate.Unsound) as error:
                free = f"{shutil.disk_usage(layout.root).free / 1e6:,.0f} MB are free there"
                places = f"(publish folder {layout.root}: {free}; working database {paths.database()})"
                run.finish("failed", Exit.FAILED, f"{_first_line(error)} {places}")
            shutil.rmtree(layout.making(run.build_id), ignore_errors=True)
            if report.published is None:  # attribute changes of what was not published are not kept
                with state.memory(layout.memory) as memory:
                    state.write_held("operations.account_history", memory, layout.held)
            reached("recording")
            _remember(job, dry_run)
    except lock.Busy as busy:
        run.finish("busy", Exit.BUSY, str(busy))
    except ConfigurationError as error:
        run.finish("input_error", Exit.INPUT, str(error))
    except (FileExistsError, NotADirectoryError) as error:
        run.finish(
            "input_error", Exit.INPUT, f"BESTAND_PUBLISH_DIR is {layout.root}, which is no folder: {error.strerror}."
        )
    except (OSError, duckdb.Error) as error:
        if run.exit_code is None:
            run.finish("failed", Exit.FAILED, f"The publish folder {layout.root} cannot be used: {_first_line(error)}")
        report.notes.append(f"This run could not be recorded in {layout.state}: {_first_line(error)}")
    if channels and not dry_run:
        _tell(job, channels)
    return report


def _finish_erasure(job: Job) -> None:
    """Finishes an erasure whose process was killed, before anything is built from what it had not reached yet."""
    from .. import erasure

    if job.run.action == "erase" or erasure.unfinished(job.layout) is None:
        return
    reached("finishing an erasure")
    try:
        with _alone(paths.database()):
            done = erasure.finish(job.layout)
    except erasure.ErasureError as error:
        raise Stop(Exit.FAILED, "failed", str(error)) from error
    if done:
        job.report.notes.append(f"An interrupted erasure was finished. {done.summary()}")


def _tell(job: Job, channels: Channels) -> None:
    """Tells of a failure, a refusal or new alerts; what cannot be delivered changes no outcome."""
    run = vars(job.run)
    message = None
    link = job.report.data_docs.as_uri() if job.report.data_docs else None
    if job.run.action != "refresh" or not (channels.webhook or channels.mail):
        return
    if job.report.published:
        try:
            previous = job.previous if job.previous and job.previous.exists() else None
            message = notify.morning_message(job.layout.current, previous, morning=channels.morning)
        except NoMarts as error:
            job.report.notes.append(str(error))
    elif job.run.exit_code == Exit.REFUSED:
        message = notify.audit_refused(run, job.findings, link)
    elif job.run.exit_code != Exit.BUSY:
        message = notify.refresh_failed(run)
    if message:
        reached("telling")
        job.report.deliveries += [str(one) for one in notify.send(message, channels)]


def _refresh(request: Request, job: Job) -> None:
    working = paths.database()
    job.accepts_changes = request.accept_changes
    variables, build = _asked(request, job)
    _describe(job.run, build, request.target)
    try:
        working.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise Stop(
            Exit.INPUT, "input_error", f"BESTAND_DATABASE is {working}, which lies in no folder: {error.strerror}."
        ) from error
    _is_ours(working)
    with _alone(working):
        _make_ready(working, job, full=request.full)
        details = _built(request, job, build, variables, request.marts)
        history, again = _attributes_seen(request, job, build, variables)
        details = details.replaced_by(again)
        build = _completed(build, working, job)
        _nobody_returned(working, job)
        if request.dry_run:
            _try_out(job, build)
        else:
            _publish(job, build, details, request.keep, history)


def _built(
    request: Request, job: Job, build: candidate.Build, variables: dict[str, Any],
    marts: tuple[str, ...], changed: str = "",
) -> candidate.Details:  # fmt: skip
    """Runs dbt build on the marts asked for, or on what of them lies downstream of the model `changed`."""
    from ..build import run_dbt  # dbt takes a second to import, and only a refresh needs it

    working = paths.database()
    reached("building")
    arguments = ["--exclude-resource-type", "unit_test"]
    arguments += ["--target", request.target] if request.target else []
    arguments += ["--full-refresh"] if request.full else []
    wanted = [f"+{name}" for name in marts]
    if changed:
        wanted = [f"{changed}+,{name}" for name in wanted] or [f"{changed}+"]
    elif wanted:
        wanted.append("+account_directory")
    if wanted:
        arguments += ["--select", *wanted, "--indirect-selection", "buildable"]
    outcome = run_dbt("build", *arguments, variables=variables, console=job.console)
    if _stopping.is_set():  # dbt takes the interruption for itself and ends its run
        raise KeyboardInterrupt
    details = _details(job.run, outcome, working)
    job.report.warnings += [f"dbt: {name}" for name in outcome.warnings]
    if outcome.exit_code:
        _remember(job, request.dry_run, details)
        raise _why(outcome, build, working, variables)
    return details


def _attributes_seen(
    request: Request, job: Job, build: candidate.Build, variables: dict[str, Any]
) -> tuple[Path | None, candidate.Details]:
    """Where the source has no account_history: what it would be with the attributes this build sees, as Parquet.

    Segments of the as-of date must already know a change seen today, so what hangs on it is built again.
    """
    working = paths.database()
    if not _holds_attributes(working, build):
        return None, candidate.Details()
    reached("noting attribute changes")
    file = job.layout.making(build.build_id) / "account_history.parquet"
    file.parent.mkdir(exist_ok=True)
    with state.memory(job.layout.memory) as memory:
        changed = state.attribute_changes(memory, working, build.conformed, build.as_of_date, build.build_id, file)
        if changed:
            job.report.notes.append(f"{changed} accounts have other attributes than before; noted in account_history.")
            state.write_held(f"read_parquet({state.literal(file)})", memory, job.layout.held)
    if not changed:
        return file, candidate.Details()
    return file, _built(request, job, build, variables, request.marts, changed="stg_crm__account_history")


def _publish(
    job: Job, build: candidate.Build, details: candidate.Details, keep: int, history: Path | None = None
) -> None:
    layout, run = job.layout, job.run
    making = layout.making(run.build_id)
    file = making / "marts.duckdb"
    making.mkdir(exist_ok=True)
    details = _audited(job, build, file, details)
    run.finish("published", Exit.PUBLISHED)
    reached("adding the record")
    candidate.write_operations(file, layout.memory, build, run, details, history)
    if history:
        history.unlink()
    reached("writing Parquet")
    candidate.write_parquet(file, making / "parquet")
    reached("verifying")
    candidate.write_manifest(making)
    before = swap.current_build(layout)
    job.previous = layout.kept(before) / "marts.duckdb" if before else None
    kept = swap.keep(layout, run.build_id)
    swap.prepare(layout, run.build_id)
    _to_postgres(kept / "marts.duckdb", run.build_id)
    try:
        swap.swap(layout, run.build_id)
    except OSError as error:
        if swap.current_build(layout) != run.build_id:
            raise
        job.report.notes.append(f"Published, but parquet/current could not be moved: {_first_line(error)}")
    job.report.published = run.build_id
    job.report.rows = {mart: rows for mart, rows in _rows_of(layout.current)}
    try:
        reached("remembering")
        with state.memory(layout.memory) as memory:
            state.remember_published(memory, run.build_id, layout.current)
            state.write_held("operations.account_history", memory, layout.held)
        _write_directory(job, build)
        reached("removing old publishes")
        swap.prune(layout, keep)
    except (OSError, duckdb.Error) as error:  # published it is; the next run puts the record right
        job.report.notes.append(f"Published, but not all is tidy: {_first_line(error)}")


def _to_postgres(file: Path, build_id: str) -> None:
    """Publishes to PostgreSQL where a server is named; before the files, as it is the likelier one to refuse."""
    if not os.environ.get("BESTAND_POSTGRES_URL"):
        return
    from . import postgres

    try:
        target = postgres.PostgresTarget.from_environment()
        if target:
            reached("publishing to PostgreSQL")
            postgres.publish(target, file, build_id=build_id, reached=reached)
    except postgres.PostgresError as error:
        raise Stop(Exit.FAILED, "failed", str(error)) from error


def _nobody_returned(working: Path, job: Job) -> None:
    """Refuses an input in which somebody comes back who was erased, and says who still waits to be."""
    from .. import erasure

    returned = erasure.returned_subjects(working, job.layout)
    if returned:
        raise Stop(Exit.INPUT, "input_error", "\n".join(returned))
    waiting = len(erasure.pending(working))
    if waiting:
        job.report.warnings.append(f"{waiting} erasure requests are open: bestand erase --pending.")


def _write_directory(job: Job, build: candidate.Build) -> None:
    """Renews the names, which no publish carries, where the build has made them."""
    with duckdb.connect(str(paths.database()), read_only=True) as connection:
        found = connection.execute(
            "select schema_name from duckdb_tables() where table_name = 'account_directory'"
            " and schema_name like '%restricted'"
        ).fetchone()
        if not found:
            return
        file = job.layout.restricted / "account_directory.parquet"
        waiting = file.with_name(".account_directory.next")
        connection.execute(
            f'copy "{found[0]}".account_directory to {state.literal(waiting)} (format parquet, compression zstd)'
        )
    waiting.chmod(0o600)
    sync(waiting)
    waiting.replace(file)
    from . import postgres

    try:
        target = postgres.PostgresTarget.from_environment()
        if target and target.has_directory:
            postgres.publish_directory(target, file)
    except postgres.PostgresError as error:
        job.report.notes.append(str(error))


def _try_out(job: Job, build: candidate.Build) -> None:
    making = job.layout.making(job.run.build_id)
    making.mkdir(exist_ok=True)
    _audited(job, build, making / "marts.duckdb", candidate.Details(), dry_run=True)
    job.run.finish("dry_run", Exit.PUBLISHED, "Built and audited; nothing was published or recorded.")


def _audited(
    job: Job, build: candidate.Build, file: Path, details: candidate.Details, *, dry_run: bool = False
) -> candidate.Details:
    """Writes the marts to `file` and looks at them as they would be published; raises Stop where they are refused."""
    reached("copying the marts")
    try:
        manifest = read_manifest(paths.target())
    except ValueError as error:
        raise Stop(Exit.INPUT, "input_error", str(error)) from error
    candidate.write_marts(paths.database(), file, build, candidate.marts_of(manifest, build.marts))
    reached("auditing")
    from ..audit import audit as audit_marts  # Great Expectations takes seconds to import

    layout = job.layout
    found = audit_marts(
        file,
        layout.current if layout.current.exists() and not job.accepts_changes else None,
        layout.audits / job.run.build_id,
        as_of=date.fromisoformat(build.as_of_date),
        marts=build.marts,
    )
    job.report.data_docs = found.index
    job.report.failures += [one.message for one in found.failures]
    job.report.warnings += [one.message for one in found.warnings]
    details = details.replaced_by(candidate.Details(tests=[_expectation(job.run, one) for one in found.results]))
    job.run.tests_failed = (job.run.tests_failed or 0) + len(found.failures)
    job.run.tests_warned = (job.run.tests_warned or 0) + len(found.warnings)
    if not found.ok:
        job.findings = details.tests
        _remember(job, dry_run, candidate.Details(tests=details.tests, models=details.models))
        raise Stop(Exit.REFUSED, "refused", "\n".join(one.message for one in found.failures))
    return details


def _expectation(run: state.Run, one: Finding) -> dict[str, Any]:
    status = "pass" if one.success else "fail" if one.severity == "error" else "warn"
    return {
        "build_id": run.build_id, "tool": "great_expectations", "test": one.expectation, "mart": one.mart,
        "column_name": one.column, "severity": one.severity, "status": status, "failures": None,
        "message": None if one.success else one.message,
    }  # fmt: skip


def _asked(request: Request, job: Job) -> tuple[dict[str, Any], candidate.Build]:
    """The vars dbt gets and the build they make."""
    defaults = project_vars()
    variables = dict(request.variables)
    effective = {**defaults, **variables}
    source = str(effective["crm_source"])
    _known_target(request.target)
    known = {one.stem for one in (paths.ROOT / "models" / "marts").rglob("*.sql")}
    for name in request.marts:
        if name not in known:
            raise Stop(Exit.INPUT, "input_error", f"There is no mart {name}; there are: {', '.join(sorted(known))}.")
    if source != "seeds" and not effective["as_of_date"]:
        try:
            zone = ZoneInfo(str(effective["reporting_time_zone"]))
        except (KeyError, ValueError) as error:
            raise Stop(
                Exit.INPUT, "input_error",
                f"The var reporting_time_zone is '{effective['reporting_time_zone']}', which is no time zone.",
            ) from error  # fmt: skip
        variables["as_of_date"] = f"{datetime.now(zone):%Y-%m-%d}"
    as_of = str(variables.get("as_of_date") or effective["as_of_date"] or effective["demo_as_of_date"])
    if not _is_day(as_of):
        raise Stop(Exit.INPUT, "input_error", f"The as-of date is '{as_of}'; expected a day as YYYY-MM-DD.")
    if source != "seeds":
        variables.setdefault("crm_held_files", str(job.layout.held.resolve()))
    prefix = effective["schema_prefix"]
    return variables, candidate.Build(
        build_id=job.run.build_id,
        as_of_date=as_of,
        marts=tuple(sorted(request.marts or known)),
        schema=f"{prefix}_marts" if prefix else "marts",
        conformed=f"{prefix}_conformed" if prefix else "conformed",
        staging=f"{prefix}_staging" if prefix else "staging",
        quarantine=f"{prefix}_quarantine" if prefix else "quarantine",
        reporting_currency=str(effective["reporting_currency"]),
        crm_source=source,
        project_version=__version__,
        is_full=request.full,
    )


def _known_target(target: str | None) -> None:
    profiles = yaml.safe_load((paths.ROOT / "profiles" / "profiles.yml").read_text(encoding="utf-8"))["bestand"]
    outputs = profiles["outputs"]
    name = target or profiles["target"]
    if name not in outputs:
        raise Stop(
            Exit.INPUT, "input_error", f"There is no target {name}; profiles/profiles.yml has: {', '.join(outputs)}."
        )
    if outputs[name]["type"] != "duckdb":
        raise Stop(
            Exit.INPUT, "input_error",
            f"The target {name} is not a DuckDB file; a refresh publishes from one. Build there with dbt itself.",
        )  # fmt: skip


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _describe(run: state.Run, build: candidate.Build, target: str | None = None) -> None:
    run.as_of_date, run.crm_source, run.is_full, run.target = build.as_of_date, build.crm_source, build.is_full, target


@contextmanager
def _alone(working: Path) -> Iterator[None]:
    """Two publish folders may share one working database; only one refresh at a time may write it."""
    with lock.held(working.with_name(f".{working.name}.lock"), "refresh of this working database"):
        yield


def _is_ours(working: Path) -> None:
    """Whether the working database is one: what is no DuckDB file is somebody's own, and is not touched."""
    if working.exists() and working.stat().st_size:
        with working.open("rb") as content:
            if content.read(12)[8:] != b"DUCK":
                raise Stop(Exit.INPUT, "input_error", f"BESTAND_DATABASE is {working}, which is no DuckDB file.")


def _make_ready(working: Path, job: Job, *, full: bool) -> None:
    """Opens the working database once: replays what a crash has left, and begins anew where it cannot be read."""
    wal = working.with_name(f"{working.name}.wal")
    if full:
        working.unlink(missing_ok=True)
        wal.unlink(missing_ok=True)
    try:
        duckdb.connect(str(working)).close()
    except duckdb.Error as error:
        if "lock" in str(error).lower():
            raise Stop(Exit.BUSY, "busy", f"Another process has {working} open; it must close it first.") from error
        if "space" in str(error).lower() or "Permission" in str(error):
            raise
        aside = working.with_name(f"{working.name}.unreadable")
        working.replace(aside)
        wal.unlink(missing_ok=True)
        job.report.notes.append(
            f"The working database could not be read; it is now {aside.name}, and a new one was made."
        )


def _completed(build: candidate.Build, working: Path, job: Job) -> candidate.Build:
    """Marks the working database as holding a complete build, which `bestand publish` asks for."""
    with duckdb.connect(str(working)) as connection:
        connection.execute("create schema if not exists operations")
        connection.execute("create or replace table operations.last_build (build varchar)")
        connection.execute("insert into operations.last_build values (?)", [json.dumps(asdict(build))])
        if "input_accounting" in build.marts:
            row = connection.execute(
                f'select sum(rows_read)::bigint, sum(rows_quarantined)::bigint from "{build.schema}".input_accounting'
            ).fetchone()
            job.run.rows_read, job.run.rows_quarantined = row or (None, None)
    return build


def _adopted(request: Request, job: Job) -> candidate.Build:
    """The build that dbt has made on its own with the vars of the request. Stop: it is not there whole."""
    working = paths.database()
    _, build = _asked(request, job)
    if not working.exists():
        raise Stop(Exit.INPUT, "input_error", f"There is no database {working}: build it first (dbt build).")
    try:
        with duckdb.connect(str(working), read_only=True) as connection:
            found = {row[0] for row in connection.execute(_TABLES_OF, [build.schema]).fetchall()}
            missing = sorted(set(build.marts) - found)
            if missing:
                raise Stop(
                    Exit.INPUT,
                    "input_error",
                    f"{working} lacks {', '.join(missing)}: build all marts first (dbt build).",
                )
            for mart in sorted(set(build.marts) & set(_MARTS_OF_ONE_DAY)):
                days = connection.execute(f'select distinct as_of_date from "{build.schema}".{mart}').fetchall()
                if days and [str(day) for (day,) in days] != [build.as_of_date]:
                    raise Stop(
                        Exit.INPUT, "input_error",
                        f"The mart {mart} was built for {', '.join(str(day) for (day,) in days)}, not for"
                        f" {build.as_of_date}: build it for that day, or publish it for its own.",
                    )  # fmt: skip
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise Stop(Exit.BUSY, "busy", f"Another process has {working} open; it must close it first.") from error
        raise
    return _completed(build, working, job)


_TABLES_OF = "select table_name from duckdb_tables() where schema_name = ?"
_MARTS_OF_ONE_DAY = ("account_health", "account_signals", "alerts")


def read_build(working: Path) -> candidate.Build:
    """The complete build the working database holds. Stop: there is none."""
    none = Stop(Exit.INPUT, "input_error", f"{working} holds no complete build: run bestand refresh first.")
    if not working.exists():
        raise none
    try:
        with duckdb.connect(str(working), read_only=True) as connection:
            row = connection.execute("select build from operations.last_build").fetchone()
    except duckdb.CatalogException as error:
        raise none from error
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise Stop(Exit.BUSY, "busy", f"Another process has {working} open; it must close it first.") from error
        raise
    if row is None:
        raise none
    found = json.loads(row[0])
    return candidate.Build(**{**found, "marts": tuple(found["marts"])})


def _holds_attributes(working: Path, build: candidate.Build) -> bool:
    """Whether the project itself has to keep earlier attributes: the source has accounts, but no account_history."""
    if build.crm_source == "seeds":
        return False
    with duckdb.connect(str(working), read_only=True) as connection:
        row = connection.execute(
            f"select not is_supplied or input_format = 'held' from \"{build.staging}\".stg_crm__inputs"
            " where entity = 'account_history'"
        ).fetchone()
    return bool(row and row[0])


def _details(run: state.Run, outcome: Outcome, working: Path) -> candidate.Details:
    rows = _rows_by_table(working)
    models, tests = [], []
    for node in outcome.nodes:
        if node.resource_type == "test":
            tests.append({
                "build_id": run.build_id, "tool": "dbt", "test": node.name, "mart": node.tested,
                "column_name": node.column, "severity": node.severity, "status": node.status,
                "failures": node.failures, "message": None if node.status == "pass" else node.message,
            })  # fmt: skip
        elif node.resource_type in ("model", "seed"):
            models.append({
                "build_id": run.build_id, "model": node.name, "resource_type": node.resource_type,
                "layer": node.layer, "status": node.status, "seconds": node.seconds,
                "rows_written": rows.get(node.name) if node.status == "success" else None,
                "message": None if node.status == "success" else node.message,
            })  # fmt: skip
    run.tests_failed = sum(test["status"] in ("fail", "error") for test in tests)
    run.tests_warned = sum(test["status"] == "warn" for test in tests)
    return candidate.Details(models, tests)


def _rows_by_table(working: Path) -> dict[str, int]:
    try:
        with duckdb.connect(str(working), read_only=True) as connection:
            return dict(connection.execute("select table_name, estimated_size from duckdb_tables()").fetchall())
    except duckdb.Error:
        return {}


def _rows_of(published: Path) -> list[tuple[str, int]]:
    with duckdb.connect(str(published), read_only=True) as connection:
        return connection.execute(
            "select table_name, row_count from operations.publish_tables where schema_name = ? order by all",
            [candidate.SCHEMA],
        ).fetchall()


def _why(outcome: Outcome, build: candidate.Build, working: Path, variables: Mapping[str, Any]) -> Stop:
    """Whose fault it is decides the exit code: the input's, the numbers', or the build's."""
    also = f"\nFailed as well: {', '.join(outcome.also_failed)}" if outcome.also_failed else ""
    reason = outcome.error.strip() + also
    bad = [node for node in outcome.nodes if not node.is_good]
    if "Could not set lock" in reason:
        return Stop(Exit.BUSY, "busy", reason)
    if any(
        "No space left" in text or "Permission denied" in text for text in [reason, *(node.message for node in bad)]
    ):
        return Stop(Exit.FAILED, "failed", reason)
    if not bad or any(_is_about_input(node) for node in bad):
        entities = sorted({node.tested.removeprefix("validated_") for node in bad if _is_gate(node) and node.tested})
        folder = Path(str(variables["crm_files"])) if build.crm_source == "files" else None
        rows = [row for entity in entities for row in blame.refused_rows(working, build, entity, folder)]
        return Stop(Exit.INPUT, "input_error", "\n".join([reason, *rows]))
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


def _remember(job: Job, dry_run: bool, details: candidate.Details | None = None) -> None:
    if dry_run:
        return
    with state.memory(job.layout.memory) as memory:
        state.write_run(memory, job.run)
        if details:
            state.write_rows(memory, "operations.model_runs", details.models)
            state.write_rows(memory, "operations.test_results", details.tests)


@contextmanager
def _told_to_stop() -> Iterator[None]:
    """Schedulers stop a job with SIGTERM; it then ends like Ctrl-C, with its record written. Once is enough."""

    def stop(*_: Any) -> None:
        if not _stopping.is_set():
            _stopping.set()
            raise KeyboardInterrupt

    _stopping.clear()
    try:
        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:  # not in the main thread: the caller handles signals
        yield
        return
    try:
        yield
    finally:
        if not _stopping.is_set():
            for number, handler in before.items():
                signal.signal(number, handler)


_stopping = threading.Event()


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
