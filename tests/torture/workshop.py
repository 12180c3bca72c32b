"""A process that has imported the command line and forks a child for each command it is given.

Starting Python and importing dbt costs as much as a small refresh does; hundreds of killed ones share that cost here.
Each command is a process of its own all the same, and the kill is a real SIGKILL. Reads one JSON document a line
(arguments, environment, out, err, steps, die_at), answers with {"pid"} and, once the child has ended, {"code"}
(negative: the signal).
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from bestand.refresh import steps

counted: dict[str, Any] = {"record": None, "die_at": None, "number": 0}
announced = steps.reached


def reached(step: str) -> None:
    """Writes each named step down, and dies at the one it was told to."""
    counted["number"] += 1
    if counted["record"]:
        with Path(counted["record"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps([step, time.time()]) + "\n")
    if counted["number"] == counted["die_at"]:
        os.kill(os.getpid(), signal.SIGKILL)
    announced(step)


# before anything else of the project is imported, so that it is everybody's
steps.reached = reached

for name in ("bestand.cli", "bestand.build", "dbt.cli.main", "dbt.adapters.duckdb", "duckdb", "great_expectations"):
    importlib.import_module(name)
for path in sorted(Path(steps.__file__).parent.rglob("*.py")):
    # what a module of the project needs beyond this (a driver for PostgreSQL) may be absent
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(
            ".".join(["bestand.refresh", *path.relative_to(Path(steps.__file__).parent).with_suffix("").parts])
        )


def work(order: dict[str, Any]) -> None:
    """The child: one command of the project, from its settings to its exit code."""
    for number, path in ((0, os.devnull), (1, order["out"]), (2, order["err"])):
        opened = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, number)
    os.environ.clear()
    os.environ.update(order["environment"])
    counted.update(record=order.get("steps"), die_at=order.get("die_at"), number=0)
    from bestand.cli import app

    sys.argv = ["bestand", *order["arguments"]]
    code = 0
    try:
        app()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 99
    sys.stdout.flush()
    sys.stderr.flush()
    # an ordinary end: threads joined, handlers at exit run
    sys.exit(code)


print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    given = json.loads(line)
    child = os.fork()
    if child == 0:
        work(given)
    print(json.dumps({"pid": child}), flush=True)
    _, status = os.waitpid(child, 0)
    print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)
