"""The command erase."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ..refresh.commands import EXIT_CODES, JsonOption, finish, watched
from ..refresh.layout import Layout
from ..refresh.report import Report
from ..usage import fail, vars_given


def register(app: typer.Typer) -> None:
    """Adds the command to the command line."""
    app.command(epilog=EXIT_CODES.replace("0 published", "0 erased"))(erase)


def erase(
    subject_kind: Annotated[str | None, typer.Argument(help="account or contact.")] = None,
    subject_id: Annotated[str | None, typer.Argument(help="Its key.")] = None,
    pending: Annotated[
        bool,
        typer.Option("--pending", help="Everybody the erasure requests name who is still there, or who came back."),
    ] = False,
    input: Annotated[Path | None, typer.Option(help="Folder with the CRM files; it is rewritten.")] = None,
    source: Annotated[str | None, typer.Option(help="files or schema; default: the project's.")] = None,
    variables: Annotated[str, typer.Option("--vars", help="More vars, as YAML.")] = "{}",
    as_json: JsonOption = False,
) -> None:
    """Take a person or an account out of the input files, every table and every kept publish; totals stay right."""
    if pending == bool(subject_kind or subject_id) or bool(subject_kind) != bool(subject_id):
        fail("Say who is to be erased, bestand erase account KEY or bestand erase contact KEY, or --pending.")
    chosen = vars_given(variables, as_json=as_json)
    if input is not None:
        chosen |= {"crm_source": "files", "crm_files": str(input)}
    elif source is not None:
        chosen["crm_source"] = source
    inputs, note = _inputs(chosen)
    with watched(as_json) as console:
        report = _run(inputs, note, subject_kind, subject_id, console)
    finish(report, as_json)


def _inputs(chosen: dict[str, Any]) -> tuple[Path | None, str | None]:
    """The folder of input files, and what the user must do elsewhere."""
    from ..docs import project_vars

    effective = {**project_vars(), **chosen}
    source = str(effective["crm_source"])
    if source == "seeds":
        fail(
            "The customers of the demo are made up: nobody there can be erased. Name the folder of your own files with"
            " --input; to try it out, copy seeds/demo/demo_<entity>.csv to <entity>.csv in a folder."
        )
    if source == "files":
        if not effective["crm_files"]:
            fail("Name the folder with the CRM files: --input FOLDER.")
        folder = Path(str(effective["crm_files"]))
        if not folder.is_dir():
            fail(f"--input {folder}: there is no such folder.")
        return folder, None
    where = effective["crm_schema"] or "crm_schema"
    return None, f"The data in {where} are the source's own: erase the subject there as well, or it is delivered again."


def _run(inputs: Path | None, note: str | None, kind: str | None, subject: str | None, console: Console) -> Report:
    from ..refresh import run, working
    from ..refresh.report import Exit, wrong
    from . import Erased, ErasureError, Places
    from . import erase as erase_one
    from . import erase_pending as erase_all

    def work(job: run.Job) -> None:
        places = Places.of_project(inputs, job.layout)
        with working.alone(places.database):
            try:
                done: list[Erased] = [erase_one(kind, subject, places)] if kind and subject else erase_all(places)
            except ErasureError as error:
                raise wrong(str(error)) from error
        unserved = _served_again(job.layout) if done else None
        job.report.notes += [line for one in done for line in one.lines()[1:]]
        job.report.notes += [note] if note else []
        summary = " ".join(one.summary() for one in done) or "Nobody is waiting to be erased."
        if unserved:
            job.run.finish("failed", Exit.FAILED, f"{summary} PostgreSQL still has the old rows: {unserved}")
        elif any(one.left for one in done):
            job.run.finish("failed", Exit.FAILED, f"{summary} Something is left; see the notes.")
        else:
            job.run.finish("published", Exit.PUBLISHED, summary)

    return run.locked("erase", console, work)


def _served_again(layout: Layout) -> str | None:
    """Gives PostgreSQL, where it is served, the current publish as it is now; what went wrong, if anything."""
    from ..refresh import serving, swap
    from ..refresh.report import Stop

    build_id = swap.current_build(layout)
    try:
        if build_id:
            serving.to_postgres(layout.current, build_id)
            serving.directory_to_postgres(layout)
    except Stop as refused:
        return str(refused)
    return None
