"""Writes the tables of schemas that Spark has built as Parquet, to be compared in DuckDB. Runs in Spark's environment:

python tests/python/spark_export.py FOLDER SCHEMA...
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bestand.spark import prepare, session


def main(folder: Path, schemas: list[str]) -> None:
    """One folder FOLDER/<schema>/<table> of Parquet files per table."""
    prepare()
    spark = session()
    for schema in schemas:
        write(spark, schema, folder / schema)


def write(spark: Any, schema: str, folder: Path) -> None:
    """The tables of one schema, each in a folder of its own."""
    for row in spark.sql(f"show tables in {schema}").collect():
        target = folder / row.tableName
        spark.table(f"{schema}.{row.tableName}").coalesce(1).write.mode("overwrite").parquet(str(target))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
