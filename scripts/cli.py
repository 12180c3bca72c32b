"""The command `bestand`: builds the marts, shows their headline numbers, and makes what the project generates."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from . import paths
from .docs import project_vars
from .erasure import commands as erasure_commands
from .export import Format
from .refresh import commands
from .usage import fail, source_given, vars_given
from .warehouse import NoMarts

app = typer.Typer(
    help="Customer-retention marts from CRM data.", no_args_is_help=True, add_completion=False,
    pretty_exceptions_enable=False,
)  # fmt: skip
plot = typer.Typer(help="Pictures of the marts.", no_args_is_help=True)
app.add_typer(plot, name="plot")


class Source(StrEnum):
    """Where the CRM data come from (the var crm_source)."""

    seeds = "seeds"
    files = "files"
    schema = "schema"


class Measure(StrEnum):
    """What a cohort triangle shows."""

    logo = "logo"
    gross = "gross"
    net = "net"


SourceOption = Annotated[Source | None, typer.Option(help="Where the CRM data come from; default: the project's.")]
FilesOption = Annotated[Path | None, typer.Option(help="Folder with the CRM files (implies --source files).")]
AsOfOption = Annotated[str | None, typer.Option(help="The day the build is for, YYYY-MM-DD.")]
TargetOption = Annotated[str | None, typer.Option(help="Target of profiles/profiles.yml.")]
SelectOption = Annotated[list[str] | None, typer.Option(help="dbt selection; may be given several times.")]
VarsOption = Annotated[str, typer.Option("--vars", help="More vars, as YAML.")]
UnitOption = Annotated[bool, typer.Option("--unit-tests", help="Run the unit tests of the SQL too.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", help="Show dbt's own log.")]
CheckOption = Annotated[bool, typer.Option("--check", help="Change nothing; fail when something is out of date.")]


@app.command()
def build(
    source: SourceOption = None,
    files: FilesOption = None,
    as_of: AsOfOption = None,
    target: TargetOption = None,
    select: SelectOption = None,
    variables: VarsOption = "{}",
    unit_tests: UnitOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Load, check and model the data (dbt build), then show the headline numbers."""
    chosen = {**vars_given(variables), **source_given("--files", files, source)}
    if as_of is not None:
        chosen["as_of_date"] = as_of
    _build(chosen, target=target, select=select, unit_tests=unit_tests, verbose=verbose)


@app.command()
def summary(variables: VarsOption = "{}") -> None:
    """Show the headline numbers of the database as it is."""
    _summary(vars_given(variables))


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="Folder to write to; with --format xlsx also a file that ends in .xlsx.")],
    format: Annotated[Format, typer.Option(help="What is written.")] = Format.parquet,
    marts: Annotated[list[str] | None, typer.Option(help="This mart only; may be given several times.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Write the published marts as files for other tools."""
    from . import export as exporting
    from .refresh.layout import Layout

    with _one_sentence(exporting.ExportError):
        for file in exporting.export(Layout.from_environment().current, out, format, marts, force=force):
            typer.echo(str(file))


@app.command()
def example(name: Annotated[str, typer.Argument(help="Name of a folder under examples/.")]) -> None:
    """Prepare one of the examples on real data, build it in a database of its own and show its headline numbers."""
    from . import examples

    os.environ.setdefault("BESTAND_DATABASE", str(paths.ROOT / ".cache" / "examples" / f"{name}.duckdb"))
    folder = paths.ROOT / ".cache" / "examples" / name
    with _one_sentence(examples.ExampleError):
        prepared = examples.prepare(name, folder)
    _build(prepared)


@app.command()
def generate(check: CheckOption = False) -> None:
    """Write the models and yml that follow from the input contract."""
    from . import generate as generator

    _write_or_check(
        generator.outdated(paths.ROOT) if check else generator.generate(paths.ROOT), check, "bestand generate"
    )


@app.command("demo-data")
def demo_data(out: Annotated[Path, typer.Option(help="Folder to write to.")] = paths.ROOT / "seeds" / "demo") -> None:
    """Write the demo CRM: the same files every time."""
    from . import demo

    demo.write_demo(out)
    typer.echo(f"The demo CRM is in {out}.")


@app.command()
def docs(check: CheckOption = False) -> None:
    """Write docs/marts, docs/coverage.md and the defaults in docs/vars.md from the project."""
    from . import docs as pages
    from .build import run_dbt

    outcome = run_dbt("parse", variables={}, console=Console(stderr=True))
    if outcome.exit_code:
        fail(f"dbt cannot read the project:\n{outcome.error}", outcome.exit_code)
    with _one_sentence(ValueError):
        made = pages.pages(pages.read_manifest(paths.target()))
    _write_or_check(pages.outdated(made) if check else pages.write(made), check, "make docs")


commands.register(app)
erasure_commands.register(app)


@plot.command("cohorts")
def plot_cohorts(
    out: Annotated[Path, typer.Option(help="PNG file to write.")],
    measure: Annotated[Measure, typer.Option(help="Customers, or revenue without or with expansion.")] = Measure.logo,
    cohorts: Annotated[int, typer.Option(min=1, help="How many of the youngest cohorts.")] = 18,
    label: Annotated[str, typer.Option(help="Words for the subtitle, e.g. whose data these are.")] = "",
    variables: VarsOption = "{}",
) -> None:
    """Draw the triangle of monthly cohorts as a heat map."""
    from . import plots

    chosen = {**project_vars(), **vars_given(variables)}
    small_base = int(chosen["small_base_threshold"])
    with _one_sentence():
        plots.cohorts(paths.database(), out, measure.value, cohorts, _schema(chosen), label, small_base)
    typer.echo(f"Drawn: {out}")


@plot.command("tracking")
def plot_tracking(
    out: Annotated[Path, typer.Option(help="PNG to write.")] = Path("tracking.png"),
    label: Annotated[str, typer.Option(help="What the data are, for the subtitle.")] = "",
    variables: VarsOption = "",
) -> None:
    """Cumulative repeat purchases and what BG/NBD expects of them."""
    from . import value_plots

    with _one_sentence():
        value_plots.tracking(paths.database(), out, _schema({**project_vars(), **vars_given(variables)}), label)
    typer.echo(f"Drawn: {out}")


@plot.command("expectations")
def plot_expectations(
    out: Annotated[Path, typer.Option(help="PNG to write.")] = Path("expectations.png"),
    label: Annotated[str, typer.Option(help="What the data are, for the subtitle.")] = "",
    variables: VarsOption = "",
) -> None:
    """Purchases after the fit by repeat purchases before it, expected beside actual."""
    from . import value_plots

    with _one_sentence():
        value_plots.expectations(paths.database(), out, _schema({**project_vars(), **vars_given(variables)}), label)
    typer.echo(f"Drawn: {out}")


@plot.command("survival")
def plot_survival(
    out: Annotated[Path, typer.Option(help="PNG to write.")] = Path("survival.png"),
    label: Annotated[str, typer.Option(help="What the data are, for the subtitle.")] = "",
    period_months: Annotated[
        int | None, typer.Option(help="Renewal period; default: the one of most customers.")
    ] = None,
    variables: VarsOption = "",
) -> None:
    """Survival by renewal period, Kaplan-Meier beside the fitted model."""
    from . import value_plots

    with _one_sentence():
        schema = _schema({**project_vars(), **vars_given(variables)})
        value_plots.survival(paths.database(), out, schema, label, period_months)
    typer.echo(f"Drawn: {out}")


def _build(
    variables: dict[str, Any],
    *,
    target: str | None = None,
    select: list[str] | None = None,
    unit_tests: bool = False,
    verbose: bool = False,
) -> None:
    from .build import run_dbt

    paths.database().parent.mkdir(parents=True, exist_ok=True)
    arguments = [] if unit_tests else ["--exclude-resource-type", "unit_test"]
    arguments += ["--target", target] if target else []
    arguments += ["--select", *select] if select else []
    outcome = run_dbt("build", *arguments, variables=variables, console=Console(stderr=True), verbose=verbose)
    if outcome.exit_code:
        lines = [outcome.error]
        if outcome.also_failed:
            lines.append(f"Failed as well: {', '.join(outcome.also_failed)}")
        if outcome.skipped:
            lines.append(f"{outcome.skipped} nodes downstream were left as they were.")
        fail("The build failed.\n" + "\n".join(lines), outcome.exit_code)
    done = ", ".join(f"{number} {status}" for status, number in sorted(outcome.counts.items()))
    typer.echo(f"Built: {done}.")
    if outcome.warnings:
        typer.echo(f"Warned: {', '.join(outcome.warnings)}.")
    if not select:
        _summary(variables)


def _summary(variables: dict[str, Any]) -> None:
    from .summary import show

    chosen = {**project_vars(), **variables}
    with _one_sentence():
        show(paths.database(), Console(), _schema(chosen), str(chosen["reporting_currency"]))


def _schema(variables: dict[str, Any]) -> str:
    prefix = variables["schema_prefix"]
    return f"{prefix}_marts" if prefix else "marts"


def _write_or_check(changed: list[Path], check: bool, command: str) -> None:
    for path in changed:
        typer.echo(str(path))
    if check and changed:
        fail(f"{len(changed)} files are out of date: run `{command}`.", 1)
    typer.echo("Nothing to change." if not changed else f"{len(changed)} files written.")


@contextmanager
def _one_sentence(kind: type[Exception] = NoMarts) -> Iterator[None]:
    """Turns errors that tell the user what to do into that sentence and exit code 2."""
    try:
        yield
    except (NoMarts, kind) as error:
        fail(str(error))


if __name__ == "__main__":
    app()
