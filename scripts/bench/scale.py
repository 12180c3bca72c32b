"""How close a build is to what DuckDB can do at all: `python -m bestand.bench.scale --size s` (make bench SIZE=s).

Each subject runs in a process of its own, one after another, on the same generated input (bestand.sizes):

  a  the whole project, `dbt build` without tests
  b  the floor: one hand-written script from the files to the core marts (floor.sql), whose results must equal a's
  c  one more day: its files are added, and the project is brought up to date in the database of a, a day later
  d  as many nodes as the project has, in the same order, that select one number each: dbt's own floor
  e  pandas for the triangle of monthly cohorts, beside DuckDB

dbt has parsed the project of a and d before, as in daily work; what parsing takes is told apart. The section of
docs/benchmarks.md is written from what the run has left in .cache/bench/scale/<size>.json.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer
import yaml
from rich.console import Console

from .. import paths
from ..sizes import AS_OF, BY_MONTH, SIZES, Size, write_day, write_history
from .page import PAGE, write_section

CACHE = paths.ROOT / ".cache" / "bench" / "scale"
FLOOR = Path(__file__).with_name("floor.sql")
CORE_MARTS = ["mrr_monthly", "cohort_retention", "churn_by_segment", "account_signals", "account_clv"]
# What of a core mart the floor leaves out: columns it does not have are not compared, rows by this condition are not.
LEFT_OUT = {"account_signals": "signal = 'power_user_silent'"}
SLOWEST = 15

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass
class Measured:
    """What one process took: seconds from start to end and of the cores, memory and disk at their highest.

    Memory is what the kernel says of the process; it says no less than the bench itself had when it began one.
    """

    seconds: float = 0
    core_seconds: float = 0
    peak_memory: int = 0
    database: int = 0
    spilled: int = 0


@dataclass
class NodeTime:
    """One node of a build: its seconds, rows it made, and rows that are in what it reads."""

    name: str
    seconds: float
    rows: int | None = None
    rows_in_inputs: int | None = None


@dataclass
class Run:
    """Everything the page says of one size."""

    size: str
    machine: str
    load: str
    memory_limit: str
    input_rows: dict[str, int] = field(default_factory=dict)
    input_bytes: int = 0
    generated: float = 0
    parsed: dict[str, float] = field(default_factory=dict)
    parts: dict[str, Measured] = field(default_factory=dict)
    nodes: list[NodeTime] = field(default_factory=list)
    day_nodes: list[NodeTime] = field(default_factory=list)
    core_seconds: float = 0
    layers: dict[str, float] = field(default_factory=dict)
    statements: list[tuple[str, float]] = field(default_factory=list)
    differences: dict[str, str] = field(default_factory=dict)
    triangle: dict[str, float] = field(default_factory=dict)
    day_rows: int = 0


# --- one process, watched ---------------------------------------------------------------------------------------------


def watched(command: list[str], database: Path, environment: dict[str, str]) -> Measured:
    """Runs a command to its end; stops with its last words when it fails."""
    measured = Measured()
    spill = database.with_name(database.name + ".tmp")
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):
            measured.spilled = max(measured.spilled, bytes_below(spill))

    watcher = threading.Thread(target=watch)
    start = time.perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, cwd=paths.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    watcher.start()
    said = process.stdout.read() if process.stdout else ""
    _, status, used = os.wait4(process.pid, 0)
    measured.seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    ended.set()
    watcher.join()
    measured.core_seconds = used.ru_utime + used.ru_stime
    measured.peak_memory = used.ru_maxrss * 1024
    measured.database = bytes_below(database)
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:6])} ... ended with {process.returncode}:\n{said[-3000:]}")
    return measured


def bytes_below(path: Path) -> int:
    """The size of a file, or of all files in a folder."""
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    total = 0
    for file in files:
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:  # removed meanwhile
            continue
    return total


# --- dbt --------------------------------------------------------------------------------------------------------------


@dataclass
class Project:
    """A dbt project, the place of its artefacts and the database it builds."""

    root: Path
    work: Path
    memory_limit: str

    @property
    def database(self) -> Path:
        return self.work / "bench.duckdb"

    def run(self, *arguments: str, variables: dict[str, Any], as_of: date = AS_OF) -> Measured:
        """Runs one dbt command with the profile of the project and a limit to DuckDB's memory."""
        profiles = self.work / "profiles"
        profiles.mkdir(parents=True, exist_ok=True)
        profile = yaml.safe_load((paths.ROOT / "profiles" / "profiles.yml").read_text(encoding="utf-8"))
        outputs = profile["bestand"]["outputs"]
        outputs["duckdb"]["settings"]["memory_limit"] = self.memory_limit
        profile["bestand"]["outputs"] = {"duckdb": outputs["duckdb"]}
        (profiles / "profiles.yml").write_text(yaml.safe_dump(profile), encoding="utf-8")
        command = [
            sys.executable, "-m", "dbt.cli.main", "--log-level", "warn", "--log-level-file", "none", *arguments,
            "--project-dir", str(self.root), "--profiles-dir", str(profiles),
            "--target-path", str(self.work / "target"), "--log-path", str(self.work / "logs"),
            "--vars", json.dumps(variables, default=str),
        ]  # fmt: skip
        environment = {"BESTAND_DATABASE": str(self.database), "BESTAND_AS_OF_DATE": str(as_of)}
        return watched(command, self.database, environment)

    def parse(self, variables: dict[str, Any]) -> float:
        """Parses the project from nothing; gives the seconds."""
        shutil.rmtree(self.work / "target", ignore_errors=True)
        return self.run("parse", variables=variables).seconds

    def build(self, variables: dict[str, Any], as_of: date = AS_OF) -> Measured:
        """Builds all but the tests."""
        return self.run("build", "--exclude-resource-type", "test", "unit_test", variables=variables, as_of=as_of)

    def artefact(self, name: str) -> dict[str, Any]:
        """One of the files dbt leaves behind."""
        found: dict[str, Any] = json.loads((self.work / "target" / f"{name}.json").read_text(encoding="utf-8"))
        return found

    def times(self, input_rows: dict[str, int]) -> list[NodeTime]:
        """The nodes of the last build, slowest first, with the rows of what they read and made."""
        counts = self.row_counts()
        manifest = self.artefact("manifest")["nodes"]
        times = []
        for result in self.artefact("run_results")["results"]:
            node = manifest[result["unique_id"]]
            inputs = [manifest[parent] for parent in read_by(result["unique_id"], manifest)]
            times.append(
                NodeTime(
                    node["name"], result["execution_time"], counts.get(relation(node)),
                    sum(counts.get(relation(one), 0) for one in inputs)
                    # files are read by views, which have no count
                    + sum(rows for entity, rows in input_rows.items() if node["name"] == f"validated_{entity}"),
                )
            )  # fmt: skip
        return sorted(times, key=lambda one: -one.seconds)

    def row_counts(self) -> dict[str, int]:
        """The rows of every table. What a query really reads is for a profile of it to say: these are its inputs."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            found = connection.execute("select schema_name || '.' || table_name, estimated_size from duckdb_tables()")
            return dict(found.fetchall())


def relation(node: dict[str, Any]) -> str:
    """The table or view of a node, as row_counts names it."""
    return f"{node['schema']}.{node.get('alias') or node['name']}"


def read_by(node: str, manifest: dict[str, Any]) -> set[str]:
    """The tables a node reads: its parents, and of a view those that the view reads."""
    found: set[str] = set()
    for parent in manifest[node]["depends_on"].get("nodes", []):
        if parent not in manifest:
            continue
        is_view = manifest[parent]["config"].get("materialized") == "view"
        found |= read_by(parent, manifest) if is_view else {parent}
    return found


def upstream(names: list[str], manifest: dict[str, Any]) -> set[str]:
    """The nodes that these models need, with themselves."""
    wanted = [key for key, node in manifest.items() if node["resource_type"] == "model" and node["name"] in names]
    found: set[str] = set()
    while wanted:
        node = wanted.pop()
        if node not in found and node in manifest:
            found.add(node)
            wanted += manifest[node]["depends_on"].get("nodes", [])
    return found


# --- d: as many nodes that do nothing ---------------------------------------------------------------------------------


def trivial_project(project: Project, folder: Path) -> None:
    """Writes a project with a node for each of the project's: same order, same kind, one number as its result."""
    shutil.rmtree(folder, ignore_errors=True)
    nodes = project.artefact("manifest")["nodes"].values()
    for node in nodes:
        if node["resource_type"] == "seed":
            path, text = folder / "seeds" / f"{node['name']}.csv", "i\n1\n"
        elif node["resource_type"] == "model":
            needs = [one.split(".")[-1] for one in node["depends_on"]["nodes"]]
            kind = "view" if node["config"]["materialized"] == "view" else "table"  # the project has kinds of its own
            head = f"{{{{ config(materialized='{kind}', schema='{node['schema']}') }}}}\n"
            text = head + "".join(f"-- depends_on: {{{{ ref('{one}') }}}}\n" for one in needs) + "select 1 as i\n"
            path = folder / "models" / f"{node['name']}.sql"
        else:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    settings = {"name": "trivial", "version": "1.0", "config-version": 2, "profile": "bestand"}
    settings["flags"] = {"send_anonymous_usage_stats": False}
    (folder / "dbt_project.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")


# --- b: the floor -----------------------------------------------------------------------------------------------------


@app.command(hidden=True)
def floor(files: Path, as_of: str, database: Path, memory_limit: str, told: Path) -> None:
    """Runs floor.sql; writes the seconds of its slowest statements."""
    seconds: list[tuple[str, float]] = []
    with duckdb.connect(str(database), config={"memory_limit": memory_limit}) as connection:
        connection.execute("set TimeZone = 'UTC'; set preserve_insertion_order = false")
        connection.execute(f"set variable files = '{files}'; set variable as_of = date '{as_of}'")
        for statement in connection.extract_statements(FLOOR.read_text(encoding="utf-8")):
            start = time.perf_counter()
            connection.execute(statement)
            words = re.sub(r"/\*.*?\*/|--[^\n]*", " ", statement.query, flags=re.DOTALL).split()
            name = next(
                (word for word, before in zip(words[1:], words, strict=False) if before in ("table", "into")), words[1]
            )
            seconds.append((name, time.perf_counter() - start))
    told.write_text(json.dumps(sorted(seconds, key=lambda one: -one[1])[:SLOWEST]), encoding="utf-8")


def differences(floor_database: Path, project_database: Path) -> dict[str, str]:
    """Per core mart how the floor's rows are unlike the project's in the columns that both have."""
    told = {}
    with duckdb.connect() as connection:
        connection.execute(f"attach '{floor_database}' as floor_run (read_only)")
        connection.execute(f"attach '{project_database}' as project (read_only)")
        for mart in CORE_MARTS:
            columns = [row[0] for row in connection.execute(f"describe floor_run.floor.{mart}").fetchall()]
            every = [row[0] for row in connection.execute(f"describe project.marts.{mart}").fetchall()]
            listed = ", ".join(columns)
            mine = f"select {listed} from floor_run.floor.{mart}"
            theirs = f"select {listed} from project.marts.{mart} where not ({LEFT_OUT.get(mart, 'false')})"
            (unlike,) = connection.execute(
                f"select (select count(*) from ({mine} except all {theirs})) "
                f"+ (select count(*) from ({theirs} except all {mine}))"
            ).fetchall()[0]
            (rows,) = connection.execute(f"select count(*) from ({mine})").fetchall()[0]
            told[mart] = (
                f"{len(columns)} of {len(every)} columns, {rows:,} rows: "
                + ("equal" if not unlike else f"{unlike:,} rows unlike")
            )  # fmt: skip
        (unlike,) = connection.execute(
            """
            select count(*)
            from (
                select entity, count(*) as refused from floor_run.floor.quarantine group by entity
                union all
                select entity, -rows_quarantined from project.marts.input_accounting where rows_quarantined > 0
            )
            group by entity having sum(refused) <> 0
            union all select 0
            """
        ).fetchall()[0]
        told["rows refused"] = "equal for every entity" if not unlike else "not equal"
    return told


# --- e: pandas --------------------------------------------------------------------------------------------------------

TRIANGLE = """
with first_days as (
    select account_id, date_trunc('month', min(valid_from)) as cohort from versions group by account_id
),

months as (
    select unnest(generate_series(
        (select min(cohort) from first_days),
        date_trunc('month', cast('{as_of}' as date)) - interval 1 month,
        interval 1 month
    )) as month_start
)

select cohort, date_diff('month', cohort, month_start) as period_index, count(distinct account_id) as customers
from versions
inner join first_days using (account_id)
inner join months
    on
        valid_from <= month_start + interval 1 month
        and valid_to > month_start + interval 1 month
        and month_start >= cohort
group by all
"""


@app.command(hidden=True)
def triangle(database: Path, as_of: str, told: Path) -> None:
    """Monthly cohorts of contract customers by pandas and by DuckDB from the same versions, both held in memory."""

    def month(days: Any) -> Any:
        return days.dt.year * 12 + days.dt.month

    np: Any = importlib.import_module("numpy")
    pd: Any = importlib.import_module("pandas")

    seconds = {}
    with duckdb.connect() as connection:
        connection.execute(f"attach '{database}' as project (read_only)")
        connection.execute(
            "create table versions as "
            "select account_id, valid_from, valid_to from project.intermediate.int_paid_versions"
        )
        frame: Any = connection.execute("select account_id, valid_from, valid_to from versions").df()
        start = time.perf_counter()
        by_duckdb = connection.execute(TRIANGLE.format(as_of=as_of)).fetchall()
        seconds["DuckDB"] = time.perf_counter() - start
        start = time.perf_counter()
        first = frame.groupby("account_id")["valid_from"].transform("min")
        # month m is that of the boundary at its end: in force there is who began by then and has not ended
        cohort = month(first)
        begins = month(frame["valid_from"]) - (frame["valid_from"].dt.day == 1).astype(int)
        ends = month(frame["valid_to"]) - 1 - (frame["valid_to"].dt.day == 1).astype(int)
        day = pd.Timestamp(as_of)
        last = day.year * 12 + day.month - 1
        begins, ends = np.maximum(begins, cohort), np.minimum(ends, last)
        lengths = (ends - begins + 1).clip(lower=0)
        at = np.repeat(np.arange(len(frame)), lengths)
        spread = pd.DataFrame({"account": frame["account_id"].to_numpy()[at], "cohort": cohort.to_numpy()[at]})
        offset = np.arange(len(at)) - np.repeat(lengths.cumsum() - lengths, lengths)
        spread["index"] = begins.to_numpy()[at] + np.asarray(offset) - spread["cohort"].to_numpy()
        by_pandas = spread.drop_duplicates().groupby(["cohort", "index"]).size()
        seconds["pandas"] = time.perf_counter() - start
        mart = connection.execute(
            "select cohort_start, period_index, customers_retained from project.marts.cohort_retention "
            "where relationship = 'contract' and cohort_grain = 'month' and segment_dimension = 'all'"
        ).fetchall()
    wanted = {(one[0].year * 12 + one[0].month, one[1]): one[2] for one in mart if one[2]}
    assert {(one[0].year * 12 + one[0].month, one[1]): one[2] for one in by_duckdb} == wanted
    assert {(int(key[0]), int(key[1])): int(count) for key, count in by_pandas.items()} == wanted
    told.write_text(json.dumps(seconds), encoding="utf-8")


# --- a run ------------------------------------------------------------------------------------------------------------


def rows_of(files: Path) -> dict[str, int]:
    """The rows of each entity's files, from their footers."""
    with duckdb.connect() as connection:
        return {
            folder.name: connection.execute(f"select count(*) from '{folder}/*.parquet'").fetchall()[0][0]
            for folder in sorted(files.iterdir())
            if folder.is_dir()
        }


def deliver(source: Path, folder: Path) -> None:
    """Puts the files into the folder that is read, as links where the disk can."""
    for file in source.rglob("*.parquet"):
        target = folder / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(file, target)
        except OSError:
            shutil.copy2(file, target)


def measured_run(name: str, size: Size, parts: str, work: Path, inputs: Path | None, memory_limit: str) -> Run:
    """Measures the parts asked for; what an earlier run of the size left of the others is kept."""
    console = Console(stderr=True)
    work.mkdir(parents=True, exist_ok=True)
    earlier = CACHE / f"{name}.json"
    run = read(earlier) if earlier.exists() else Run(name, "", "", memory_limit)
    run.machine, run.memory_limit = machine(), memory_limit
    run.load = f"{os.getloadavg()[0]:.1f}"
    files = inputs or work / "input"
    if not files.exists():
        with console.status("Writing the input"):
            start = time.perf_counter()
            write_history(files, size)
            run.generated = time.perf_counter() - start
    run.input_rows, run.input_bytes = rows_of(files), bytes_below(files)
    delivered = work / "delivered"
    variables = {"crm_source": "files", "crm_files": str(delivered)}
    project = Project(paths.ROOT, work / "project", memory_limit)

    def step(part: str, words: str) -> bool:
        keep(run, earlier)  # what has been measured stays, should the next part fail
        if part in parts:
            console.print(f"{name.upper()} {part}: {words} (load {os.getloadavg()[0]:.1f})")
        return part in parts

    if step("a", "the whole project"):
        for folder in (project.work, delivered):
            shutil.rmtree(folder, ignore_errors=True)
        deliver(files, delivered)
        run.parsed["project"] = project.parse(variables)
        run.parts["a"] = project.build(variables, AS_OF)
        run.nodes = project.times(run.input_rows)
        manifest = project.artefact("manifest")["nodes"]
        needed = {manifest[key]["name"] for key in upstream(CORE_MARTS, manifest)}
        run.core_seconds = sum(one.seconds for one in run.nodes if one.name in needed)
        run.layers = by_layer(run.nodes, manifest)
    if step("b", "the floor"):
        database, told = work / "floor_run.duckdb", work / "floor.json"
        database.unlink(missing_ok=True)
        run.parts["b"] = watched(
            [sys.executable, "-m", "bestand.bench.scale", "floor", str(files), str(AS_OF), str(database), memory_limit,
             str(told)], database, {},
        )  # fmt: skip
        run.statements = [tuple(one) for one in json.loads(told.read_text(encoding="utf-8"))]
        if project.database.exists():
            run.differences = differences(database, project.database)
    if step("e", "pandas"):
        told = work / "triangle.json"
        command = [
            sys.executable,
            "-m",
            "bestand.bench.scale",
            "triangle",
            str(project.database),
            str(AS_OF),
            str(told),
        ]
        run.parts["e"] = watched(command, project.database, {})
        run.triangle = json.loads(told.read_text(encoding="utf-8"))
        run.triangle["the project's nodes"] = sum(
            one.seconds
            for one in run.nodes
            if one.name in ("int_cohort_members", "int_cohort_activity", "cohort_retention")
        )
    if step("d", "as many nodes that do nothing"):
        trivial = Project(work / "trivial", work / "trivial_run", memory_limit)
        shutil.rmtree(trivial.work, ignore_errors=True)
        trivial_project(project, trivial.root)
        run.parsed["as many trivial nodes"] = trivial.parse({})
        run.parts["d"] = trivial.build({})
    if step("c", "one more day"):
        day = work / "day"
        shutil.rmtree(day, ignore_errors=True)
        as_of = write_day(day, size, 0)
        run.day_rows = sum(rows_of(day).values())
        deliver(day, delivered)
        run.parts["c"] = project.build(variables, as_of)
        run.day_nodes = project.times(rows_of(delivered))
    keep(run, earlier)
    return run


def by_layer(nodes: list[NodeTime], manifest: dict[str, Any]) -> dict[str, float]:
    """Seconds of the nodes by folder of the project."""
    folders = {node["name"]: "/".join(Path(node["original_file_path"]).parts[:-1][:3]) for node in manifest.values()}
    found: dict[str, float] = defaultdict(float)
    for node in nodes:
        found[folders[node.name]] += node.seconds
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def machine() -> str:
    """What the figures were measured on."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "dbt-core", "pandas"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB"
    return f"{cores}, Python {platform.python_version()}, {versions}"


def keep(run: Run, path: Path) -> None:
    """Writes down what a run has measured so far."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(run), indent=1), encoding="utf-8")


def read(path: Path) -> Run:
    """What an earlier run of a size has left."""
    told = json.loads(path.read_text(encoding="utf-8"))
    told["parts"] = {part: Measured(**one) for part, one in told["parts"].items()}
    for kind in ("nodes", "day_nodes"):
        told[kind] = [NodeTime(**one) for one in told[kind]]
    return Run(**told)


# --- the page ---------------------------------------------------------------------------------------------------------

PARTS = {
    "a": "the whole project, `dbt build` without tests",
    "b": "the floor: one script, the core marts",
    "c": "one more day, brought up to date",
    "d": "as many trivial nodes, dbt's own floor",
    "e": "pandas, monthly cohorts (with reading)",
}


def section(run: Run, others: dict[str, Run]) -> str:
    """The section of docs/benchmarks.md on one size."""
    size = SIZES[run.size]
    parts = run.parts
    rows = sum(run.input_rows.values())
    lines = [
        f"Written by `make bench SIZE={run.size}`. On {run.machine}; DuckDB's memory limited to {run.memory_limit}. "
        f"Load of the machine when the run began: {run.load}"
        + (" (others were working: compare seconds of the cores)." if float(run.load) > 0.5 else "."),
        "",
        f"{size.accounts:,} accounts over 36 months, {rows:,} rows in {human(run.input_bytes)} of Parquet: "
        + ", ".join(f"{entity} {run.input_rows[entity]:,}" for entity in BY_MONTH if entity in run.input_rows)
        + ".",
        "",
        "| | s | of (b) | core s | of (b) | peak memory | database | spilled |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for part, words in PARTS.items():
        if part in parts:
            one = parts[part]
            share, of_cores = (f"{times(one, parts, of):.2f}" for of in ("seconds", "core_seconds"))
            lines.append(
                f"| ({part}) {words} | {one.seconds:.1f} | {share} | {one.core_seconds:.1f} | {of_cores} | "
                f"{human(one.peak_memory)} | "
                f"{human(one.database)} | {human(one.spilled)} |"
            )
    lines.append("")
    if {"a", "b", "d"} <= parts.keys():
        above, in_cores = (
            times(parts["a"], parts, of) - times(parts["d"], parts, of) for of in ("seconds", "core_seconds")
        )
        lines += [f"- ((a) less (d)) / (b): **{above:.1f}**, in seconds of the cores {in_cores:.1f} (aim: at most 1.5)"]
        if "c" in parts:
            lines += [
                f"- ((c) less (d)) / (a): **{(parts['c'].seconds - parts['d'].seconds) / parts['a'].seconds:.2f}** "
                f"(aim at L: at most 0.05); the day brought {run.day_rows:,} rows"
            ]
        lines += [f"- (a) / (d): {parts['a'].seconds / parts['d'].seconds:.1f}"]
    if run.nodes:
        total = sum(one.seconds for one in run.nodes)
        lines += [
            f"- The {len(run.nodes)} nodes of (a) took {total:.0f} s in all, several running at a time; those that the "
            f"core marts need, {run.core_seconds:.0f} s of them. The rest makes what the floor does not."
        ]
    if run.parsed:
        told = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in run.parsed.items())
        lines += [
            "- Parsing from nothing (in none of these: the day is told by `BESTAND_AS_OF_DATE`, for which dbt parses "
            f"nothing anew): {told}"
        ]
    if run.triangle:
        told = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in run.triangle.items())
        lines += [
            f"- Triangle of monthly cohorts from the same versions in memory: {told} (these for four grains, eleven "
            "segmentations and customers without contract); all agree"
        ]
    lines += ["", *growth(run, others)]
    if run.differences:
        lines += ["Floor and project:", ""]
        lines += [f"- {mart}: {told}" for mart, told in run.differences.items()]
        lines += [""]
    if run.nodes:
        lines += [
            'Slowest nodes of (a), each in its own seconds beside those that ran with it. "Rows read" are the rows of '
            "the tables it reads, once each.",
            "",
            "| node | s | rows read | rows made | s in (c) |",
            "|---|---|---|---|---|",
        ]
        day = {one.name: one.seconds for one in run.day_nodes}
        for node in run.nodes[:SLOWEST]:
            then = f"{day[node.name]:.1f}" if node.name in day else ""
            made = "" if node.rows is None else f"{node.rows:,}"
            lines.append(f"| {node.name} | {node.seconds:.1f} | {node.rows_in_inputs or 0:,} | {made} | {then} |")
        layers = ", ".join(f"{folder} {seconds:.0f}" for folder, seconds in list(run.layers.items())[:10])
        lines += ["", f"Seconds by folder: {layers}.", ""]
    if run.statements:
        slow = ", ".join(f"{name} {seconds:.1f}" for name, seconds in run.statements[:10])
        lines += [f"Slowest statements of (b), in seconds: {slow}.", ""]
    return "\n".join(lines)


def times(one: Measured, parts: dict[str, Measured], kind: str) -> float:
    """How many times what the floor takes; not a number where there is none."""
    floor_takes = getattr(parts["b"], kind) if "b" in parts else 0
    return float(getattr(one, kind) / floor_takes) if floor_takes else math.nan


def growth(run: Run, others: dict[str, Run]) -> list[str]:
    """How each part has grown since a smaller size that was measured."""
    rows = sum(run.input_rows.values())
    lines = []
    for name in SIZES:
        if name == run.size:
            break
        smaller = others.get(name)
        if smaller:
            factor = rows / sum(smaller.input_rows.values())
            grown = ", ".join(
                f"({part}) {one.seconds / smaller.parts[part].seconds:.1f}"
                for part, one in run.parts.items()
                if part in smaller.parts
            )
            lines += [f"Against size {name.upper()}, with {factor:.1f} times the rows, seconds times: {grown}.", ""]
    return lines


def human(number: int) -> str:
    """Bytes as people write them."""
    return f"{number / 2**30:.1f} GiB" if number >= 2**30 else f"{number / 2**20:.0f} MiB"


@app.callback(invoke_without_command=True)
def bench(
    context: typer.Context,
    size: Annotated[str, typer.Option(help=f"One of {', '.join(SIZES)}.")] = "s",
    parts: Annotated[
        str, typer.Option(help="Which of a, b, c, d, e; b is compared with a database of a that is there.")
    ] = "abcde",
    inputs: Annotated[Path | None, typer.Option(help="Folder with the size's input, written before.")] = None,
    work: Annotated[Path, typer.Option(help="Folder for inputs and databases.")] = CACHE,
    memory_limit: Annotated[str, typer.Option(help="DuckDB's memory_limit, for project and floor.")] = "10GB",
    out: Annotated[Path, typer.Option(help="Page to write.")] = PAGE,
    leave: Annotated[bool, typer.Option("--keep", help="Leave the databases.")] = False,
) -> None:
    """Time the project beside its floors at one size."""
    if context.invoked_subcommand:
        return
    if size not in SIZES:
        raise typer.BadParameter(f"{size} is none of {', '.join(SIZES)}", param_hint="--size")
    folder = work / size
    run = measured_run(size, SIZES[size], parts, folder, inputs.resolve() if inputs else None, memory_limit)
    others = {name: read(CACHE / f"{name}.json") for name in SIZES if (CACHE / f"{name}.json").exists()}
    write_section(f"Scale: size {size.upper()}", section(run, others), out)
    if not leave:
        for leftover in ("project", "trivial", "trivial_run", "day", "floor_run.duckdb"):
            path = folder / leftover
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    unlike = [mart for mart in ("mrr_monthly", "cohort_retention") if "unlike" in run.differences.get(mart, "")]
    if unlike:
        raise SystemExit(f"The floor does not agree with the project: {', '.join(unlike)}")


if __name__ == "__main__":
    app()
