"""The benchmark of customer value: `python -m bestand.bench.clv clv` runs it and writes
its section of docs/benchmarks.md.

Simulated customers without contract are fitted and scored by Bestand's SQL, by the package lifetimes and by scipy, each
in a process of its own, one after another, on the same histories. lifetimes and scipy get arrays in memory, Bestand a
table in DuckDB; loading is left out for all. What takes longer than the cap is ended, and the page says so.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer
import yaml
from rich.console import Console

from .. import paths
from .page import PAGE, write_section

ROOT = paths.ROOT
CACHE = ROOT / ".cache" / "bench"
HEADING = "Customers without contract: fits, expectations, lifetime value"

SIZES = [2_357, 100_000, 1_000_000]
TOOLS = ["bestand", "lifetimes", "scipy"]
SEED = 20050401
AS_OF = "2025-07-01"
# First purchases over a year, two years in all: of a million customers some 370,000 histories differ. Shorter histories
# are alike more often, which would flatter whoever groups them.
BORN_DAYS, DAYS = 365, 730
WEEKS, MONTHS, MONTHLY_RATE = 39, 12, 0.01
WEEKS_PER_MONTH = 4.345

STEPS = {
    "bgnbd": "BG/NBD fit",
    "gamma_gamma": "gamma-gamma fit",
    "expectations": f"purchases expected in {WEEKS} weeks",
    "values": f"CLV of {MONTHS} months, discounted",
    "scores": "all scores of the project",
}
COMPARED = ["bgnbd", "gamma_gamma", "expectations", "values"]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """Benchmarks of the project."""


@dataclass
class Outcome:
    """What one tool did on one size: seconds and a figure to compare for every step that it finished."""

    seconds: dict[str, float] = field(default_factory=dict)
    results: dict[str, list[float]] = field(default_factory=dict)
    failure: str | None = None


# --- histories -------------------------------------------------------------------------------------------------------


def histories(customers: int) -> Path:
    """The Parquet file with so many simulated customers: x, t_x, t (weeks) and m; made once."""
    path = CACHE / f"histories_{customers}_{BORN_DAYS}_{DAYS}_{SEED}.parquet"
    if path.exists():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    reference, simulation = _from_tests("clv_reference"), _from_tests("clv_simulation")
    base = simulation.PurchaseBase(
        "bench", customers, reference.BgNbd(0.2426, 4.4135, 0.7929, 2.4258), reference.GammaGamma(6.25, 3.74, 15.45)
    )
    made = simulation.simulate_purchases(None, [base], SEED, born_days=BORN_DAYS, days=DAYS)
    columns = {
        "x": made.x,
        "t_x": reference.weeks(made.recency_days),
        "t": reference.weeks(made.age_days),
        "m": reference.cents(made.mean),
    }
    pandas: Any = importlib.import_module("pandas")
    with duckdb.connect() as connection:
        connection.register("made", pandas.DataFrame(columns))
        partial = path.with_suffix(".partial")
        connection.execute(f"copy made to '{partial}' (format parquet)")
        partial.rename(path)
    return path


def _from_tests(module: str) -> Any:
    """A module of tests/python: the simulation and the scipy side are the tests' own."""
    folder = str(ROOT / "tests" / "python")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(module)


# --- the three tools: each calls `report(step, seconds, figures)` for every step -------------------------------------

Report = Callable[[str, float, list[float]], None]


def timed(step: str, report: Report, work: Callable[[], Any], figures: Callable[[Any], list[float]]) -> Any:
    """Runs a step, reports how long it took, gives what it made."""
    start = time.perf_counter()
    made = work()
    report(step, time.perf_counter() - start, figures(made))
    return made


def arrays(path: Path) -> Any:
    """The histories as a data frame."""
    with duckdb.connect() as connection:
        return connection.execute(f"select * from '{path}'").df()


def lifetimes_timings(path: Path, report: Report) -> None:
    """lifetimes as its documentation uses it."""
    import warnings

    warnings.filterwarnings("ignore")
    lifetimes = importlib.import_module("lifetimes")
    data = arrays(path)
    x, t_x, t, m = (data[name] for name in ("x", "t_x", "t", "m"))
    purchases, spend = lifetimes.BetaGeoFitter(), lifetimes.GammaGammaFitter()
    timed(
        "bgnbd",
        report,
        lambda: purchases.fit(x, t_x, t),
        lambda fit: [float(fit.params_[name]) for name in ("r", "alpha", "a", "b")],
    )
    # before the slow steps of scoring, so that a cap leaves the fits; those who never came back have no mean value
    paid = m > 0
    timed(
        "gamma_gamma",
        report,
        lambda: spend.fit(x[paid], m[paid]),
        lambda fit: [float(fit.params_[name]) for name in ("p", "q", "v")],
    )
    timed(
        "expectations",
        report,
        lambda: purchases.conditional_expected_number_of_purchases_up_to_time(WEEKS, x, t_x, t),
        lambda found: [float(found.sum())],
    )
    timed(
        "values",
        report,
        lambda: spend.customer_lifetime_value(
            purchases, x, t_x, t, m, time=MONTHS, freq="W", discount_rate=MONTHLY_RATE
        ),
        lambda found: [float(found.sum())],
    )


def scipy_timings(path: Path, report: Report) -> None:
    """scipy as one would use it who knows the model: analytic scores over equal histories, expectations in arrays."""
    np: Any = importlib.import_module("numpy")
    optimize: Any = importlib.import_module("scipy.optimize")
    reference = _from_tests("clv_reference")
    data = arrays(path)
    x, t_x, t, m = (data[name].to_numpy(dtype=float) for name in ("x", "t_x", "t", "m"))

    def minimised(value_and_score: Callable[..., Any], grouped: Any, start: list[float]) -> list[float]:
        n = float(grouped.count.sum())

        def negative(theta: Any) -> tuple[float, Any]:
            value, score = value_and_score(theta, grouped)
            return -value / n, -score / n

        found = optimize.minimize(
            negative, np.log(start), jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9}
        )
        return [float(value) for value in np.exp(found.x)]

    def fit_purchases() -> list[float]:
        grouped = data.groupby(["x", "t_x", "t"]).size().reset_index(name="n")
        columns = [grouped[name].to_numpy(dtype=float) for name in ("x", "t_x", "t", "n")]
        start = [0.5, 0.5 * float(t.sum() / x.sum()), 1.0, 2.0]
        return minimised(reference.bgnbd_value_and_score, reference.Histories(*columns), start)

    def fit_spend() -> list[float]:
        p, q, p_v = minimised(
            reference.gamma_gamma_value_and_score, reference.Spending.of(x, m), [2.0, 3.0, 2 * float(m[m > 0].mean())]
        )
        return [p, q, p_v / p]

    parameters = timed("bgnbd", report, fit_purchases, list)
    spend = timed("gamma_gamma", report, fit_spend, list)
    purchases, amounts = reference.BgNbd(*parameters), reference.GammaGamma(*spend)
    timed(
        "expectations",
        report,
        lambda: reference.expected_purchases(purchases, WEEKS, x, t_x, t),
        lambda found: [float(found.sum())],
    )
    yearly = (1 + MONTHLY_RATE) ** 12 - 1
    timed(
        "values",
        report,
        lambda: (
            reference.discounted_purchases(purchases, x, t_x, t, MONTHS, yearly)
            * reference.expected_spend(amounts, x, m)
        ),
        lambda found: [float(found.sum())],
    )


# === the Bestand side =================================================================================================
# A dbt project of its own under .cache, with the macros of this project and its very models of the fits and scores, on
# a table of the simulated histories in place of `int_purchase_histories`. Each time is dbt's own for the node, from its
# start to its table. `expectations` and `values` ask what the other tools are asked, through the project's macros.

PROJECT_MODELS = ["int_bgnbd_fits", "int_gamma_gamma_fits", "int_purchase_scores"]
NODES = {
    "int_bgnbd_fits": "bgnbd",
    "int_gamma_gamma_fits": "gamma_gamma",
    "bench_expectations": "expectations",
    "bench_values": "values",
    "int_purchase_scores": "scores",
}
HISTORIES_SQL = """
select
    cast(row_number() over () as bigint) as account_id,
    {{ as_of_date() }} as as_of_date,
    'all' as own_segment,
    cast(x as integer) as repeat_purchases,
    t_x as recency_weeks,
    t as age_weeks,
    case when x > 0 then cast(m as decimal(38, 4)) end as repeat_value_mean
from read_parquet('{{ var("bench_histories") }}')
"""
ALIKE_SQL = """
histories as (
    select * from {{ ref('int_purchase_histories') }}
),

-- customers with the same history have the same score
alike as (
    select
        repeat_purchases,
        recency_weeks,
        age_weeks,
        cast(repeat_purchases as double) as x,
        recency_weeks as t_x,
        age_weeks as t
    from histories
    group by repeat_purchases, recency_weeks, age_weeks
),
"""
EXPECTATIONS_SQL = (
    "{{ config(materialized='table') }}\nwith\n"
    + ALIKE_SQL
    + """
asked as (
    select
        alike.*,
        fits.r,
        fits.alpha,
        fits.a,
        fits.b,
        cast({{ var('bench_weeks') }} as double) as weeks
    from alike
    cross join {{ ref('int_bgnbd_fits') }} as fits
),

{{ bgnbd_expected_purchases_ctes('asked', 'answered') }}

select
    histories.account_id,
    answered.p_alive_now as p_alive,
    answered.expected_purchases
from histories
inner join answered
    on
        histories.repeat_purchases = answered.repeat_purchases
        and histories.recency_weeks = answered.recency_weeks
        and histories.age_weeks = answered.age_weeks
"""
)
VALUES_SQL = (
    "{{ config(materialized='table') }}\nwith\n"
    + ALIKE_SQL
    + """
numbers as (
    {{ number_spine() }}
),

months as (
    {{ months_ahead(12) }}
),

asked as (
    select
        alike.*,
        fits.r,
        fits.alpha,
        fits.a,
        fits.b,
        months.i * {{ weeks_per_month() }} as weeks,
        months.weight_12m
    from alike
    cross join {{ ref('int_bgnbd_fits') }} as fits
    cross join months
),

{{ bgnbd_expected_purchases_ctes('asked', 'answered') }},

summed as (
    select
        repeat_purchases,
        recency_weeks,
        age_weeks,
        sum(weight_12m * expected_purchases) as discounted_purchases
    from answered
    group by repeat_purchases, recency_weeks, age_weeks
)

select
    histories.account_id,
    summed.discounted_purchases * {{ gamma_gamma_spend(
        'spend.p', 'spend.q', 'spend.v', 'histories.repeat_purchases', 'cast(histories.repeat_value_mean as double)'
    ) }} as clv
from histories
inner join summed
    on
        histories.repeat_purchases = summed.repeat_purchases
        and histories.recency_weeks = summed.recency_weeks
        and histories.age_weeks = summed.age_weeks
cross join {{ ref('int_gamma_gamma_fits') }} as spend
"""
)


def bench_project(path: Path) -> tuple[Path, Path]:
    """Writes the dbt project for one file of histories; gives its folder and its database."""
    folder = CACHE / "dbt" / path.stem
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "macros", folder / "macros")
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    (folder / "models").mkdir()
    for name in PROJECT_MODELS:
        shutil.copy(ROOT / "models" / "intermediate" / "value" / f"{name}.sql", folder / "models")
    own = {
        "int_purchase_histories": "{{ config(materialized='table') }}\n" + HISTORIES_SQL,
        "bench_expectations": EXPECTATIONS_SQL,
        "bench_values": VALUES_SQL,
    }
    for name, sql in own.items():
        (folder / "models" / f"{name}.sql").write_text(sql, encoding="utf-8")
    project = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))
    kept = {key: project[key] for key in ("name", "version", "config-version", "profile", "vars", "flags")}
    kept["vars"] |= {
        "as_of_date": AS_OF,
        "clv_segment_dimension": None,
        "clv_backtest_months_back": [],
        "clv_discount_rate": (1 + MONTHLY_RATE) ** 12 - 1,
        "bench_histories": str(path),
        "bench_weeks": WEEKS,
    }
    kept["models"] = {project["name"]: {"+materialized": "table", "+schema": "intermediate"}}
    (folder / "dbt_project.yml").write_text(yaml.safe_dump(kept, sort_keys=False), encoding="utf-8")
    return folder, folder / "bench.duckdb"


def bestand_timings(path: Path, report: Report) -> None:
    """The project's SQL, run by dbt on DuckDB."""
    from dbt.cli.main import dbtRunner

    folder, database = bench_project(path)
    os.environ["BESTAND_DATABASE"] = str(database)

    def run(select: str) -> dict[str, float]:
        outcome: Any = dbtRunner().invoke(
            ["--quiet", "run", "--threads", "1", "--project-dir", str(folder), "--profiles-dir",
             str(folder / "profiles"), "--target-path", str(folder / "target"), "--log-path", str(folder / "logs"),
             "--select", select]
        )  # fmt: skip
        if not outcome.success:
            nodes = getattr(outcome.result, "results", [])
            raise RuntimeError("; ".join(str(node.message) for node in nodes if node.message) or str(outcome.exception))
        return {node.node.name: node.execution_time for node in outcome.result.results}

    run("int_purchase_histories")
    for name, step in NODES.items():
        seconds = run(name)[name]
        report(step, seconds, bestand_figures(database, step))


def bestand_figures(database: Path, step: str) -> list[float]:
    """The figures to compare: parameters, or the sum over the customers."""
    queries = {
        "bgnbd": "select r, alpha, a, b from intermediate.int_bgnbd_fits",
        "gamma_gamma": "select p, q, v from intermediate.int_gamma_gamma_fits",
        "expectations": "select sum(expected_purchases) from intermediate.bench_expectations",
        "values": "select sum(clv) from intermediate.bench_values",
        "scores": "select count(*) from intermediate.int_purchase_scores",
    }
    connections: Any = importlib.import_module("dbt.adapters.duckdb.connections")
    connections.DuckDBConnectionManager.close_all_connections()
    with duckdb.connect(str(database), read_only=True) as connection:
        (row,) = connection.execute(queries[step]).fetchall()
    return [math.nan if value is None else float(value) for value in row]


# === one tool in a process of its own =================================================================================

WORKERS: dict[str, Callable[[Path, Report], None]] = {
    "bestand": bestand_timings,
    "lifetimes": lifetimes_timings,
    "scipy": scipy_timings,
}


@app.command(hidden=True)
def worker(tool: str, path: Path) -> None:
    """Runs one tool on one file of histories; prints a line of JSON per step."""

    def report(step: str, seconds: float, figures: list[float]) -> None:
        print(json.dumps({"step": step, "seconds": seconds, "figures": figures}), flush=True)

    WORKERS[tool](path, report)


def measure(tool: str, path: Path, cap: float) -> Outcome:
    """Runs a tool in a process of its own for at most `cap` seconds; what it finished by then counts."""
    outcome = Outcome()
    process = subprocess.Popen(
        [sys.executable, "-m", "bestand.bench.clv", "worker", tool, str(path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    timer = threading.Timer(cap, process.kill)
    timer.start()
    try:
        output, errors = process.communicate()
    finally:
        capped = not timer.is_alive()
        timer.cancel()
    for line in output.splitlines():
        if line.startswith('{"step"'):
            found = json.loads(line)
            outcome.seconds[found["step"]] = found["seconds"]
            outcome.results[found["step"]] = found["figures"]
    if capped:
        outcome.failure = "capped"
    elif process.returncode:
        said = [line.strip() for line in errors.splitlines() if line.strip(" ^~|\t")]
        outcome.failure = " ".join(said[-3:])[-500:] or f"exit code {process.returncode}"
    return outcome


# --- the page --------------------------------------------------------------------------------------------------------


def shown(seconds: float | None, outcome: Outcome, cap: float) -> str:
    """A time as it stands in the table."""
    if seconds is None:
        return f"not within {cap:.0f} s" if outcome.failure == "capped" else "failed"
    return f"{seconds:.3f}" if seconds < 0.1 else f"{seconds:.2f}" if seconds < 100 else f"{seconds:.0f}"


def times_faster(mine: float | None, other: float | None) -> str:
    """How many times longer the other tool took."""
    if not mine or other is None:
        return ""
    ratio = other / mine
    return f"{ratio:.1f}" if ratio >= 1 else f"{ratio:.2f}" if ratio >= 0.01 else "under 0.01"


def page(outcomes: dict[int, dict[str, Outcome]], cap: float) -> str:
    """The section of docs/benchmarks.md."""
    cores = os.cpu_count() or 1
    versions = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "dbt-core", "lifetimes", "scipy", "numpy"))
    lines = [
        "Written by `make bench-clv`.",
        "",
        f"On {cores} cores ({platform.machine()}), Python {platform.python_version()}, {versions}.",
        "",
        "Simulated BG/NBD and gamma-gamma customers with the parameters published for CDNOW, first purchases "
        f"within {BORN_DAYS} days, {DAYS} days in all. Every tool works in a process of its own, one after "
        "another, on the same histories: repeat purchases, their times in weeks with two decimals, their mean value. "
        "Simulating and loading are not in the times; lifetimes and scipy hold the histories in memory, Bestand in a "
        "table of a DuckDB file.",
        "",
        "- **Bestand**: the models `int_bgnbd_fits` and `int_gamma_gamma_fits` as they are, and the macros of "
        "`int_purchase_scores` asked what the others are asked; seconds of the dbt node, from start to finished table.",
        "- **lifetimes**: `BetaGeoFitter.fit`, `GammaGammaFitter.fit`, "
        f"`conditional_expected_number_of_purchases_up_to_time({WEEKS})`, "
        f"`customer_lifetime_value(time={MONTHS}, freq='W', discount_rate={MONTHLY_RATE})`.",
        "- **scipy**: L-BFGS-B on the log-likelihood of equal histories with analytic scores from the start values "
        "Bestand uses, grouping included; expectations and value from whole arrays with `hyp2f1`.",
        "",
        "A fit in SQL is some dozen statements and a score one large one, whose planning alone takes tenths of a "
        "second: on small bases the tools that hold everything in memory are quicker.",
        "",
    ]
    for customers, tools in outcomes.items():
        lines += [
            f"### {customers:,} customers, {distinct(histories(customers)):,} different histories",
            "",
            "| step | Bestand (s) | lifetimes (s) | scipy (s) | lifetimes / Bestand | scipy / Bestand |",
            "|---|---|---|---|---|---|",
        ]
        for step in COMPARED:
            seconds = {tool: outcome.seconds.get(step) for tool, outcome in tools.items()}
            cells = [shown(seconds[tool], tools[tool], cap) for tool in TOOLS]
            ratios = [times_faster(seconds["bestand"], seconds[tool]) for tool in TOOLS[1:]]
            lines.append(f"| {STEPS[step]} | {' | '.join(cells + ratios)} |")
        scored = tools["bestand"].seconds.get("scores")
        if scored is not None:
            lines += [
                "",
                "The project's own `int_purchase_scores` (12 and 60 months, with what the intervals need): "
                f"{scored:.2f} s.",
            ]
        lines += ["", *verdict(tools), agreement(tools), ""]
        for tool, outcome in tools.items():
            if outcome.failure and outcome.failure != "capped":
                lines += [f"{tool} ended with: {outcome.failure}", ""]
    return "\n".join(lines).rstrip() + "\n"


def verdict(tools: dict[str, Outcome]) -> list[str]:
    """Whether the aim, three times as fast as lifetimes, is met for each step that both finished."""
    met: dict[bool, list[str]] = {True: [], False: []}
    for step in COMPARED:
        mine, other = (tools[tool].seconds.get(step) for tool in ("bestand", "lifetimes"))
        if mine and other:
            met[other >= 3 * mine].append(STEPS[step])
    said = {True: "At least three times as fast as lifetimes", False: "Not three times as fast as lifetimes"}
    lines = [f"{said[reached]}: {'; '.join(steps)}." for reached, steps in met.items() if steps]
    return [" ".join(lines), ""] if lines else []


def distinct(path: Path) -> int:
    """How many of the histories differ in what BG/NBD sees."""
    with duckdb.connect() as connection:
        (row,) = connection.execute(f"select count(*) from (select distinct x, t_x, t from '{path}')").fetchall()
    return int(row[0])


def agreement(tools: dict[str, Outcome]) -> str:
    """How far the others' figures are from Bestand's, as a sentence."""
    parts = []
    for tool in TOOLS[1:]:
        worst = {}
        for step in COMPARED:
            mine, other = tools["bestand"].results.get(step), tools[tool].results.get(step)
            if mine and other:
                worst[step] = max(abs(a - b) / abs(b) for a, b in zip(mine, other, strict=True))
        if worst:
            found = ", ".join(f"{value:.0e} ({STEPS[step]})" for step, value in worst.items())
            parts.append(f"{tool}: {found}")
    return "Largest relative difference of Bestand's parameters and sums to those of " + "; of ".join(parts) + "."


@app.command()
def clv(
    sizes: Annotated[str, typer.Option(help="Numbers of customers, separated by commas.")] = ",".join(map(str, SIZES)),
    cap: Annotated[float, typer.Option(help="Seconds after which a tool is ended.")] = 900,
    out: Annotated[Path, typer.Option(help="Page to write.")] = PAGE,
) -> None:
    """Time Bestand, lifetimes and scipy side by side on simulated customers without contract."""
    console = Console(stderr=True)
    outcomes: dict[int, dict[str, Outcome]] = {}
    for customers in (int(size) for size in sizes.split(",")):
        with console.status(f"{customers:,} customers: simulating"):
            path = histories(customers)
        outcomes[customers] = {}
        for tool in TOOLS:
            with console.status(f"{customers:,} customers: {tool}"):
                outcome = outcomes[customers][tool] = measure(tool, path, cap)
            told = ", ".join(f"{step} {seconds:.2f} s" for step, seconds in outcome.seconds.items())
            console.print(f"{customers:,} customers, {tool}: {told}{' ' + outcome.failure if outcome.failure else ''}")
    write_section(HEADING, page(outcomes, cap), out)
    console.print(f"Written: {out}")
    if any(
        outcome.failure and outcome.failure != "capped" for tools in outcomes.values() for outcome in tools.values()
    ):
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
