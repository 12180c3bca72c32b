"""Where in a database file the marts lie."""

from __future__ import annotations

import duckdb

# A working database has them in the schema marts; a published file, whose catalog is named after it, in main.
PLACES = """
select database_name, schema_name, table_name
from duckdb_tables()
where database_name = current_database() and schema_name in ('marts', 'main')
order by schema_name desc, table_name
"""
OPERATIONS = "select 1 from duckdb_tables() where database_name = current_database() and schema_name = 'operations'"


def marts(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The marts of the opened database by name, each as SQL names it whatever the file is called."""
    found = connection.execute(PLACES).fetchall()
    return {
        table: f"{quoted(database)}.{quoted(schema)}.{quoted(table)}"
        for database, schema, table in found
        if schema == found[0][1]
    }


def has_manifest(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the file says which publish it is (operations.publish_manifest)."""
    return connection.execute(f"{OPERATIONS} and table_name = 'publish_manifest'").fetchone() is not None


def quoted(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
