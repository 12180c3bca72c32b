"""Writes a made-up CRM of a size: `python -m bestand.sizes --size m --out folder`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import AS_OF, SIZES, write_day, write_history


def main(
    out: Annotated[Path, typer.Option(help="Folder to write to; each entity gets a folder of its own in it.")],
    size: Annotated[str, typer.Option(help=f"One of {', '.join(SIZES)}.")] = "s",
    skewed_share: Annotated[float, typer.Option(min=0, max=0.9, help="Share of all usage that one account has.")] = 0,
    later_day: Annotated[
        int | None, typer.Option(help="Write one more day instead: 0 the first after the history.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of DuckDB; default: one per core.")] = None,
) -> None:
    """Write 36 months of a CRM as Parquet, or one more day of it."""
    if size not in SIZES:
        raise typer.BadParameter(f"{size} is none of {', '.join(SIZES)}", param_hint="--size")
    if later_day is None:
        write_history(out, SIZES[size], skewed_share, threads)
        typer.echo(f"The history is in {out}; build it with as_of_date {AS_OF}.")
    else:
        as_of = write_day(out, SIZES[size], later_day, skewed_share, threads)
        typer.echo(f"One more day is in {out}; build it with as_of_date {as_of}.")


if __name__ == "__main__":
    typer.run(main)
