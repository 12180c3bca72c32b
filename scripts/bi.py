"""The dashboard: Superset in an environment of its own, its assets imported over the published marts.

`python -m bestand.bi serve` is what `make bi` starts; `bundle` writes a file that any other Superset imports.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer
import yaml

from . import paths

BI = paths.ROOT / "bi" / "superset"
ASSETS = BI / "assets"
ENVIRONMENT = paths.ROOT / ".cache" / "superset"
HOME = ENVIRONMENT / "home"
SLUG = "bestand"
USER = "admin"
PORT = 8088
PASSWORD = "BESTAND_SUPERSET_PASSWORD"
START_SECONDS = 300.0  # a busy machine takes minutes to import it

app = typer.Typer(
    help="The Superset dashboard over the published marts.", no_args_is_help=True, add_completion=False,
    pretty_exceptions_enable=False,
)  # fmt: skip


class NotReady(Exception):
    """Something the dashboard needs is missing; the message says what to do."""


def published_file() -> Path:
    """The marts that the dashboard shows: marts.duckdb in BESTAND_PUBLISH_DIR."""
    return paths.ROOT / os.environ.get("BESTAND_PUBLISH_DIR", "published") / "marts.duckdb"


def assets(published: Path) -> dict[str, str]:
    """The assets by their path below bi/superset/assets, pointed at this file and in its reporting currency.

    NotReady: the file is missing or no publish.
    """
    currency = reporting_currency(published)
    filled = {}
    for file in sorted(ASSETS.rglob("*.yaml")):
        content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
        name = file.relative_to(ASSETS).as_posix()
        if name.startswith("databases/"):
            content["sqlalchemy_uri"] = f"duckdb:///{published.resolve()}"
        filled[name] = yaml.safe_dump(_in_currency(content, currency), sort_keys=False, allow_unicode=True)
    return filled


def _in_currency(content: Any, currency: str) -> Any:
    """The same asset with the symbol of every currency format replaced."""
    if isinstance(content, Mapping):
        if {"symbol", "symbolPosition"} <= content.keys():
            return {**content, "symbol": currency}
        return {key: _in_currency(value, currency) for key, value in content.items()}
    if isinstance(content, list):
        return [_in_currency(value, currency) for value in content]
    return content


def reporting_currency(published: Path) -> str:
    """The currency of all amounts of a publish, as ISO 4217 code."""
    if not published.exists():
        raise NotReady(
            f"There is no publish at {published}: run bestand refresh first, or name its folder in BESTAND_PUBLISH_DIR."
        )
    try:
        with duckdb.connect(str(published), read_only=True) as connection:
            row = connection.execute("select reporting_currency from operations.publish_manifest").fetchone()
    except duckdb.Error as error:
        raise NotReady(f"{published} is not a publish of Bestand: {str(error).splitlines()[0]}") from error
    if row is None or row[0] is None:
        raise NotReady(f"{published} does not say its reporting currency: publish it anew with bestand publish.")
    return str(row[0])


def bundle(published: Path, file: Path) -> None:
    """Writes the assets as the archive that Superset's own import takes (Dashboards, Import dashboards)."""
    contents = assets(published)
    contents["metadata.yaml"] = contents["metadata.yaml"].replace("type: assets", "type: Dashboard")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(f"bestand/{name}", content)


def prepare(home: Path, published: Path, password: str) -> None:
    """Makes or renews a Superset home: database, roles, the user `admin` with this password, the assets."""
    contents = assets(published)
    python = _executable("python")
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = home / "secret_key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_text(secrets.token_urlsafe(42), encoding="ascii")
    with tempfile.TemporaryDirectory() as folder:
        for name, content in contents.items():
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / name).write_text(content, encoding="utf-8")
        result = subprocess.run(
            [python, BI / "provision.py", folder, USER],
            env=_environment(home) | {PASSWORD: password}, capture_output=True, text=True,
        )  # fmt: skip
    (home / "provision.log").write_text(result.stdout + result.stderr, encoding="utf-8")
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise NotReady(
            f"Superset could not be set up ({last}). {home / 'provision.log'} says more; removing {home} begins anew."
        )


@contextmanager
def serving(home: Path, port: int) -> Iterator[str]:
    """Serves a prepared home on 127.0.0.1, gives the dashboard's address, and ends the server with the block."""
    refuse_taken(port)
    with (home / "server.log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(
            [_executable("gunicorn"), "--config", BI / "gunicorn.conf.py", "--bind", f"127.0.0.1:{port}"],
            env=_environment(home), stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            _wait_for(server, port, home / "server.log")
            yield f"http://127.0.0.1:{port}/superset/dashboard/{SLUG}/"
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def refuse_taken(port: int) -> None:
    """NotReady: somebody listens on this port already."""
    if answers(port):
        raise NotReady(f"Port {port} is taken by another program: choose another one with --port.")


def answers(port: int) -> bool:
    """Whether somebody listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_for(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            raise NotReady(f"Superset ended at once (exit code {server.returncode}); {log} says why.")
        if answers(port):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    return
            except (urllib.error.URLError, TimeoutError):
                pass
        time.sleep(0.3)
    raise NotReady(f"Superset did not answer within {START_SECONDS:.0f} seconds; {log} says more.")


def _executable(name: str) -> Path:
    found = ENVIRONMENT / "bin" / name
    if not found.exists():
        raise NotReady("Superset's environment is not installed: run make .cache/superset/.installed (or make bi).")
    return found


def _environment(home: Path) -> dict[str, str]:
    """What Superset sees of the environment: its own settings, and nothing of the project's Python."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", PASSWORD)
    kept = {key: value for key, value in os.environ.items() if key not in hidden}
    return kept | {
        "BESTAND_SUPERSET_HOME": str(home.resolve()),
        "SUPERSET_CONFIG_PATH": str(BI / "superset_config.py"),
        "FLASK_APP": "superset.app:create_app()",
        "PYTHONWARNINGS": "ignore",
        "SCARF_ANALYTICS": "false",
        "TZ": "UTC",
    }


PortOption = Annotated[int, typer.Option(help="Port on 127.0.0.1.")]
HomeOption = Annotated[Path, typer.Option(help="Folder of Superset's own database and key.")]


@app.command()
def serve(
    port: PortOption = PORT,
    home: HomeOption = HOME,
    browser: Annotated[bool, typer.Option(help="Open the dashboard in the browser, where there is one.")] = True,
) -> None:
    """Serve the dashboard over the published marts until Ctrl-C; where none are published, the demo is built first."""
    refuse_taken(port)
    published = published_file()
    if not published.exists():
        typer.echo("Nothing is published yet: building and publishing the demo (bestand refresh).")
        code = subprocess.run([Path(sys.executable).parent / "bestand", "refresh"]).returncode
        if code:
            raise typer.Exit(code)
    given = os.environ.get(PASSWORD)
    password = given or secrets.token_urlsafe(12)
    typer.echo("Setting Superset up (the first time takes a minute) ...")
    prepare(home, published, password)
    with serving(home, port) as url:
        shown = f"the one in {PASSWORD}" if given else password
        typer.echo(f"\n  Dashboard  {url}\n  User       {USER}\n  Password   {shown}\n\nCtrl-C stops it.")
        if browser and (os.name == "nt" or sys.platform == "darwin" or os.environ.get("DISPLAY")):
            webbrowser.open(url)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            typer.echo("\nStopped.")


@app.command("bundle")
def bundle_command(file: Annotated[Path, typer.Argument(help="The .zip file to write.")]) -> None:
    """Write the dashboard as an archive for the import of another Superset (with the database of this publish)."""
    bundle(published_file(), file)
    typer.echo(f"Wrote {file}.")


@app.command()
def picture(
    file: Annotated[Path, typer.Argument(help="The .png file to write.")],
    tab: Annotated[str, typer.Option(help="The tab to show.")] = "Overview",
) -> None:
    """Save a tab of the dashboard as a picture, from a Superset of its own that is gone afterwards."""
    from .bi_browser import looking  # Playwright is needed for development only

    password = secrets.token_urlsafe(12)
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), published_file(), password)
        with serving(Path(folder), free_port()) as url, looking(url, USER, password) as look:
            look.open(tab)
            look.picture(file)
    typer.echo(f"Wrote {file}.")


def main() -> None:
    """The command line; a sentence instead of a traceback for what the user can mend."""
    try:
        app()
    except NotReady as error:
        typer.echo(str(error), err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
