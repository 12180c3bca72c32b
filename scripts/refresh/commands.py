"""The commands refresh, publish, rollback, audit and status."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..usage import fail, source_given, vars_given
from . import steps
from .layout import KEPT
from .report import Report
from .request import Request

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, for schedulers.")]
AcceptOption = Annotated[
    bool, typer.Option("--accept-changes", help="Changes against the last publish are meant: do not compare with it.")
]
KeepOption = Annotated[int, typer.Option("--keep", min=1, help="How many publishes are kept.")]

EXIT_CODES = "Exit codes: 0 published, 1 audit refused, 2 input or configuration, 3 busy, 4 build or publish failed."


def register(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.command(epilog=EXIT_CODES)(refresh)
    app.command(epilog=EXIT_CODES)(publish)
    app.command(epilog=EXIT_CODES)(rollback)
    app.command(epilog=EXIT_CODES)(audit)
    app.command()(status)


def refresh(
    as_of: Annotated[
        str | None, typer.Option(help="The day the build is for; default: today in the reporting time zone.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Build the working database from nothing.")] = False,
    target: Annotated[str | None, typer.Option(help="Target of profiles/profiles.yml.")] = None,
    input: Annotated[Path | None, typer.Option(help="Folder with the CRM files.")] = None,
    source: Annotated[
        str | None, typer.Option(help="seeds (the demo), files or schema; default: the project's.")
    ] = None,
    marts: Annotated[
        list[str] | None, typer.Option(help="Build and publish this mart only; may be given several times.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Build and audit, but publish and record nothing.")
    ] = False,
    accept_changes: AcceptOption = False,
    keep: KeepOption = KEPT,
    variables: Annotated[str, typer.Option("--vars", help="More vars, as YAML.")] = "{}",
    as_json: JsonOption = False,
) -> None:
    """Read the inputs, build, audit and publish the marts; readers see the old ones until the new are whole."""
    from .run import refresh as run

    chosen = {
        **vars_given(variables, as_json=as_json),
        **source_given("--input", input, source, as_json=as_json),
    }
    if as_of is not None:
        chosen["as_of_date"] = as_of
    request = Request(chosen, target, tuple(marts or ()), full, dry_run, accept_changes, keep)
    with watched(as_json) as console:
        report = run(request, console)
    finish(report, as_json)


def publish(
    built: Annotated[
        bool, typer.Option("--built", help="Publish what dbt has built without bestand refresh, with these --vars.")
    ] = False,
    marts: Annotated[
        list[str] | None, typer.Option(help="With --built: this mart only; may be given several times.")
    ] = None,
    variables: Annotated[str, typer.Option("--vars", help="With --built: the vars of the build, as YAML.")] = "{}",
    accept_changes: AcceptOption = False,
    keep: KeepOption = KEPT,
    as_json: JsonOption = False,
) -> None:
    """Audit and publish what the last complete refresh has built, without building again."""
    from .run import publish as run

    chosen = vars_given(variables, as_json=as_json)
    if not built and (chosen or marts):
        fail("--vars and --marts go with --built: a refresh has noted its own.", as_json=as_json)
    request = Request(chosen, None, tuple(marts or ()), keep=keep) if built else None
    with watched(as_json) as console:
        report = run(keep, console, request, accept_changes=accept_changes)
    finish(report, as_json)


def rollback(
    build_id: Annotated[
        str | None, typer.Argument(help="A kept publish (bestand status lists them); default: the one before.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a kept publish the current one again."""
    from .run import rollback as run

    with watched(as_json) as console:
        report = run(build_id, console)
    finish(report, as_json)


def audit(as_json: JsonOption = False) -> None:
    """Audit the marts of the working database as they would be published."""
    from .run import audit as run

    with watched(as_json) as console:
        report = run(console)
    finish(report, as_json)


def status(as_json: JsonOption = False) -> None:
    """Show what is published, since when, what is kept, and how the last runs ended."""
    from .status import read, show

    found = read()
    if as_json:
        typer.echo(json.dumps(found, indent=2, default=str))
    else:
        show(found, Console())


@contextmanager
def watched(as_json: bool) -> Iterator[Console]:
    """Shows on standard error what is being done; while dbt builds, it shows its own progress."""
    console = Console(stderr=True, quiet=as_json and not sys.stderr.isatty())
    status = console.status("Starting ...")

    def show(step: str) -> None:
        if step == "building":
            status.stop()
        else:
            status.update(f"{step[:1].upper()}{step[1:]} ...")
            status.start()

    unlisten = steps.listen(show)
    try:
        yield console
    finally:
        unlisten()
        status.stop()


def finish(report: Report, as_json: bool) -> None:
    """Says how it ended, and ends with its exit code."""
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2, default=str))
    else:
        for line in report.lines():
            typer.echo(line, err=report.exit_code != 0)
    if report.run.status == "interrupted":
        # Python ends by the signal itself once it has interrupted a string that was being executed (an import, say),
        # however well that was dealt with: the exit code would not be the documented one
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(report.exit_code)
    raise typer.Exit(report.exit_code)
