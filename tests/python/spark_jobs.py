"""Runs several dbt commands on Spark in one process, as starting Spark takes longest, and writes what each has built as
Parquet. Runs in Spark's environment:

python tests/python/spark_jobs.py JOBS.json FOLDER

JOBS.json is a list of {name, arguments, variables, schemas, compiled}: the dbt command, its vars, the schemas to write
to FOLDER/<name>/<schema>/<table>, and whether Spark compiles its plans (worth it for many rows). Every job has schemas
of its own, or those of the job that `after` names. `tables` is {schema: folder of Parquet files}: tables that are there
before the command runs. FOLDER/<name>/failed appears when the command fails; the others run all the same.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import spark_export
from bestand import spark


def main(jobs: list[dict[str, Any]], folder: Path) -> None:
    """One job after the other, in the session of the first."""
    for job in jobs:
        began = time.monotonic()
        target = folder / job["name"]
        target.mkdir(parents=True)
        # read with the profile, by every command anew
        os.environ["BESTAND_SPARK_CODEGEN"] = str(job["compiled"]).lower()
        for schema, files in job.get("tables", {}).items():
            load(schema, Path(files))
        print(f"== {job['name']}", flush=True)
        variables = {**job["variables"], "schema_prefix": job.get("after", job["name"])}
        if spark.main([*job["arguments"], "--vars", json.dumps(variables)]) != 0:
            (target / "failed").touch()
            continue
        built = time.monotonic()
        for schema in job["schemas"]:
            spark_export.write(spark.session(), f"{job['name']}_{schema}", target / schema)
        print(f"{job['name']}: built in {built - began:.0f} s, written in {time.monotonic() - built:.0f} s", flush=True)


def load(schema: str, files: Path) -> None:
    """A table per file of a folder, under the file's name."""
    spark.prepare()
    session = spark.session()
    session.sql(f"create schema if not exists {schema}")
    for file in sorted(files.glob("*.parquet")):
        session.read.parquet(str(file)).writeTo(f"{schema}.{file.stem}").using("iceberg").createOrReplace()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
