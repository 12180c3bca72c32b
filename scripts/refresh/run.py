"""A refresh from lock to record; and what shares its steps: publishing again, rolling back, auditing."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console

from .. import __version__, paths
from ..docs import read_manifest
from ..notify.channels import Channels, ConfigurationError
from ..warehouse import NoMarts
from . import candidate, lock, outcome, serving, state, swap, working
from .candidate import Build, Details
from .layout import Layout, new_build_id
from .report import Exit, Report, Stop, wrong
from .request import Request, planned
from .steps import reached


@dataclass
class Job:
    """What the steps of one command share."""

    layout: Layout
    run: state.Run
    report: Report
    console: Console
    is_recorded: bool = True
    accepts_changes: bool = False  # a meant restatement: audited as a first publish
    details: Details = field(default_factory=Details)  # what dbt and the audit found so far
    previous: Path | None = None  # the publish that this one follows


def refresh(request: Request, console: Console) -> Report:
    """Builds, audits and publishes; every way it can end is a Report, never an exception."""
    return locked("refresh", console, lambda job: _refresh(request, job), is_recorded=not request.dry_run)


def publish(keep: int, console: Console, request: Request | None = None, *, accept_changes: bool = False) -> Report:
    """Audits and publishes the working database as the last complete build left it.

    With a request it is taken for what dbt has built without `bestand refresh` (by hand, or by another scheduler) with
    the request's vars; all its marts must be there and be of its day.
    """

    def work(job: Job) -> None:
        job.accepts_changes = accept_changes
        database = paths.database()
        with working.alone(database):
            if request is None:
                build = working.complete_build(database)
            else:
                _, build = planned(request, job.run.build_id, job.layout.held)
                working.check_whole(database, build)
                _mark_complete(job, build)
            _describe(job.run, build)
            _publish(job, build, keep)

    return locked("publish", console, work)


def audit(console: Console) -> Report:
    """Audits what the working database holds; publishes and records nothing."""

    def work(job: Job) -> None:
        with working.alone(paths.database()):
            build = working.complete_build(paths.database())
            _describe(job.run, build)
            _try_out(job, build)

    return locked("audit", console, work, is_recorded=False)


def rollback(build_id: str | None, console: Console) -> Report:
    """Makes a kept publish the current one; without a build, the newest kept before the current one."""

    def work(job: Job) -> None:
        kept = job.layout.kept_builds()
        current = swap.current_build(job.layout)
        older = [one for one in kept if current is None or one < current]
        chosen = build_id or next(iter(older), None)
        if chosen is None:
            raise wrong("No earlier publish is kept.")
        if chosen not in kept:
            raise wrong(f"No publish {chosen} is kept; there are: {', '.join(kept) or 'none'}.")
        swap.prepare(job.layout, chosen)
        serving.to_postgres(job.layout.kept(chosen) / "marts.duckdb", chosen)
        swap.swap(job.layout)
        job.run.finish("published", Exit.PUBLISHED, f"back to {chosen}, before it {current}")
        job.report.published = chosen

    return locked("rollback", console, work)


def locked(action: str, console: Console, work: Callable[[Job], None], *, is_recorded: bool = True) -> Report:
    """Does the work of a command alone in the publish folder, records and tells how it ended."""
    run = state.Run(new_build_id(), action, state.utc_now(), project_version=__version__)
    layout = Layout.from_environment()
    job = Job(layout, run, Report(run), console, is_recorded)
    channels = None
    try:
        channels = Channels.from_environment()
        layout.prepare()
        with _told_to_stop(), lock.held(layout.lock, action) as stale:
            reached("taking the lock")
            if stale:
                job.report.notes.append(f"The {stale.get('action')} of {stale.get('since')} ended without finishing.")
            job.report.notes += swap.heal(layout)
            _remember(job)
            _ended(job, work)
            shutil.rmtree(layout.making(run.build_id), ignore_errors=True)
            if job.report.published is None:  # attribute changes of what was not published are not kept
                with state.memory(layout.memory) as memory:
                    state.write_held("operations.account_history", memory, layout.held)
            reached("recording")
            _remember(job)
    except lock.Busy as busy:
        run.finish("busy", Exit.BUSY, str(busy))
    except ConfigurationError as error:
        run.finish("input_error", Exit.INPUT, str(error))
    except (FileExistsError, NotADirectoryError) as error:
        reason = f"BESTAND_PUBLISH_DIR is {layout.root}, which is no folder: {error.strerror}."
        run.finish("input_error", Exit.INPUT, reason)
    except (OSError, duckdb.Error) as error:
        if run.exit_code is None:
            run.finish("failed", Exit.FAILED, f"The publish folder {layout.root} cannot be used: {_first_line(error)}")
        job.report.notes.append(f"This run could not be recorded in {layout.state}: {_first_line(error)}")
    if channels and is_recorded:
        _tell(job, channels)
    return job.report


def _ended(job: Job, work: Callable[[Job], None]) -> None:
    """Does the work, and writes into the run how it ended."""
    try:
        _finish_erasure(job)
        work(job)
    except Stop as stop:
        job.run.finish(stop.status, stop.code, str(stop))
    except KeyboardInterrupt:
        job.run.finish("interrupted", Exit.FAILED, "It was told to stop.")
    except (OSError, duckdb.Error, candidate.Unsound) as error:
        free = f"{shutil.disk_usage(job.layout.root).free / 1e6:,.0f} MB are free there"
        places = f"(publish folder {job.layout.root}: {free}; working database {paths.database()})"
        job.run.finish("failed", Exit.FAILED, f"{_first_line(error)} {places}")


def _finish_erasure(job: Job) -> None:
    """Finishes an erasure whose process was killed, before anything is built from what it had not reached yet."""
    from .. import erasure

    if job.run.action == "erase" or erasure.unfinished(job.layout) is None:
        return
    reached("finishing an erasure")
    try:
        with working.alone(paths.database()):
            done = erasure.finish(job.layout)
    except erasure.ErasureError as error:
        raise Stop(Exit.FAILED, "failed", str(error)) from error
    if done:
        job.report.notes.append(f"An interrupted erasure was finished. {done.summary()}")


def _tell(job: Job, channels: Channels) -> None:
    """Tells of a failure, a refusal or new alerts; what cannot be delivered changes no outcome."""
    if job.run.action != "refresh" or not (channels.webhook or channels.mail):
        return
    from .. import notify  # with its templates, and only where somebody is to be told

    run, message = vars(job.run), None
    if job.report.published:
        try:
            previous = job.previous if job.previous and job.previous.exists() else None
            message = notify.morning_message(job.layout.current, previous, morning=channels.morning)
        except NoMarts as error:
            job.report.notes.append(str(error))
    elif job.run.exit_code == Exit.REFUSED:
        link = job.report.data_docs.as_uri() if job.report.data_docs else None
        message = notify.audit_refused(run, job.details.tests, link)
    elif job.run.exit_code != Exit.BUSY:
        message = notify.refresh_failed(run)
    if message:
        reached("telling")
        job.report.deliveries += [str(one) for one in notify.send(message, channels)]


def _refresh(request: Request, job: Job) -> None:
    database = paths.database()
    job.accepts_changes = request.accept_changes
    variables, build = planned(request, job.run.build_id, job.layout.held)
    _describe(job.run, build, request.target)
    working.check_place(database)
    with working.alone(database):
        note = working.make_ready(database, full=request.full)
        job.report.notes += [note] if note else []
        _build(request, job, build, variables)
        why = working.why_in_full(database)
        job.report.notes += [f"Built in full: {why}."] if why else []
        history = _attributes_seen(request, job, build, variables)
        _mark_complete(job, build)
        _nobody_returned(job)
        if request.dry_run:
            _try_out(job, build)
        else:
            _publish(job, build, request.keep, history)


def _build(request: Request, job: Job, build: Build, variables: dict[str, Any], changed: str = "") -> None:
    """Runs dbt build on the marts asked for, or on what of them lies downstream of the model `changed`."""
    from ..build import run_dbt  # dbt takes a second to import, and only a refresh needs it

    reached("building")
    arguments = ["--exclude-resource-type", "unit_test"]
    arguments += ["--target", request.target] if request.target else []
    arguments += ["--full-refresh"] if request.full else []
    wanted = [f"+{name}" for name in request.marts]
    if changed:
        wanted = [f"{changed}+,{name}" for name in wanted] or [f"{changed}+"]
    elif wanted:
        wanted.append("+account_directory")
    if wanted:
        arguments += ["--select", *wanted, "--indirect-selection", "buildable"]
    done = run_dbt("build", *arguments, variables=variables, console=job.console)
    if _stopping.is_set():  # dbt takes the interruption for itself and ends its run
        raise KeyboardInterrupt
    rows = working.rows_by_table(paths.database())
    _note(job, outcome.details(job.run.build_id, done, rows))
    job.report.warnings += [f"dbt: {name}" for name in done.warnings]
    if done.exit_code:
        _remember(job, job.details)
        raise outcome.why(done, build, paths.database(), variables)


def _attributes_seen(request: Request, job: Job, build: Build, variables: dict[str, Any]) -> Path | None:
    """Where the source has no account_history: what it would be with the attributes this build sees, as Parquet.

    Segments of the as-of date must already know a change seen today, so what hangs on it is built again.
    """
    database = paths.database()
    if not working.lacks_attribute_history(database, build):
        return None
    reached("noting attribute changes")
    file = job.layout.making(build.build_id) / "account_history.parquet"
    file.parent.mkdir(exist_ok=True)
    with state.memory(job.layout.memory) as memory:
        changed = state.attribute_changes(memory, database, build.conformed, build.as_of_date, build.build_id, file)
        if changed:
            job.report.notes.append(f"{changed} accounts have other attributes than before; noted in account_history.")
            state.write_held(f"read_parquet({state.literal(file)})", memory, job.layout.held)
    if changed:
        _build(request, job, build, variables, changed="stg_crm__account_history")
    return file


def _mark_complete(job: Job, build: Build) -> None:
    working.mark_complete(paths.database(), build)
    job.run.rows_read, job.run.rows_quarantined = working.input_rows(paths.database(), build)


def _nobody_returned(job: Job) -> None:
    """Refuses an input in which somebody comes back who was erased, and says who still waits to be."""
    from .. import erasure

    returned = erasure.returned_subjects(paths.database(), job.layout)
    if returned:
        raise wrong("\n".join(returned))
    waiting = len(erasure.pending(paths.database()))
    if waiting:
        job.report.warnings.append(f"{waiting} erasure requests are open: bestand erase --pending.")


def _publish(job: Job, build: Build, keep: int, history: Path | None = None) -> None:
    layout, run = job.layout, job.run
    making = layout.making(run.build_id)
    file = making / "marts.duckdb"
    making.mkdir(exist_ok=True)
    _audit(job, build, file)
    run.finish("published", Exit.PUBLISHED)
    reached("adding the record")
    candidate.write_operations(file, layout.memory, build, run, job.details, history)
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
    serving.to_postgres(kept / "marts.duckdb", run.build_id)
    try:
        swap.swap(layout)
    except OSError as error:
        if swap.current_build(layout) != run.build_id:
            raise
        job.report.notes.append(f"Published, but parquet/current could not be moved: {_first_line(error)}")
    job.report.published = run.build_id
    job.report.rows = candidate.rows_of(layout.current)
    try:
        reached("remembering")
        with state.memory(layout.memory) as memory:
            state.remember_published(memory, run.build_id, layout.current)
            state.write_held("operations.account_history", memory, layout.held)
        job.report.notes += serving.write_directory(paths.database(), layout)
        reached("removing old publishes")
        swap.prune(layout, keep)
    except (OSError, duckdb.Error) as error:  # published it is; the next run puts the record right
        job.report.notes.append(f"Published, but not all is tidy: {_first_line(error)}")


def _try_out(job: Job, build: Build) -> None:
    making = job.layout.making(job.run.build_id)
    making.mkdir(exist_ok=True)
    _audit(job, build, making / "marts.duckdb")
    job.run.finish("dry_run", Exit.PUBLISHED, "Built and audited; nothing was published or recorded.")


def _audit(job: Job, build: Build, file: Path) -> None:
    """Writes the marts to `file` and looks at them as they would be published. Stop: they are refused."""
    reached("copying the marts")
    try:
        manifest = read_manifest(paths.target())
    except ValueError as error:
        raise wrong(str(error)) from error
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
    _note(job, Details(tests=[outcome.expectation(job.run.build_id, one) for one in found.results]))
    if not found.ok:
        _remember(job, job.details)
        raise Stop(Exit.REFUSED, "refused", "\n".join(one.message for one in found.failures))


def _note(job: Job, details: Details) -> None:
    """Adds what dbt or the audit found, and counts anew."""
    job.details = job.details.replaced_by(details)
    job.run.tests_failed = job.details.tests_that("fail", "error")
    job.run.tests_warned = job.details.tests_that("warn")


def _describe(run: state.Run, build: Build, target: str | None = None) -> None:
    run.as_of_date, run.crm_source, run.is_full, run.target = build.as_of_date, build.crm_source, build.is_full, target


def _remember(job: Job, details: Details | None = None) -> None:
    if not job.is_recorded:
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
