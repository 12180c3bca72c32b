"""How a command says that it was called wrongly, in words or as JSON for schedulers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import typer
import yaml

USAGE = 2


def fail(message: str, code: int = USAGE, *, as_json: bool = False) -> NoReturn:
    """Ends the command with one sentence and an exit code, by default the one for a wrong setting."""
    if as_json:
        told = {"status": "input_error", "exit_code": code, "reason": message, "published": None}
        typer.echo(json.dumps(told, indent=2))
    else:
        typer.echo(message, err=True)
    raise typer.Exit(code)


def vars_given(text: str, *, as_json: bool = False) -> dict[str, Any]:
    """The vars that --vars names."""
    try:
        given = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        fail(f"--vars cannot be read as YAML: {error}", as_json=as_json)
    if not isinstance(given, dict):
        fail(f"--vars is {text!r}; expected YAML such as '{{reporting_currency: USD}}'.", as_json=as_json)
    return given


def source_given(option: str, folder: Path | None, source: str | None, *, as_json: bool = False) -> dict[str, str]:
    """The vars that --source and the option for a folder of files name; nothing given, nothing named."""
    if folder is None:
        return {} if source is None else {"crm_source": str(source)}
    if source not in (None, "files"):
        fail(f"{option} goes with --source files, not with --source {source}.", as_json=as_json)
    if not folder.is_dir():
        fail(f"{option} {folder}: there is no such folder.", as_json=as_json)
    return {"crm_source": "files", "crm_files": str(folder.resolve())}
