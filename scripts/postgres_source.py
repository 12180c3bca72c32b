"""A plugin of dbt-duckdb: attaches the CRM's PostgreSQL database for reading, without its password being seen anywhere.

dbt-duckdb could attach it by itself, but then the connection string stands in `dbt debug`, in DuckDB's error messages
and in duckdb_databases(). Here it goes into a temporary DuckDB secret, whose password DuckDB never shows.
"""

from __future__ import annotations

import importlib.resources
import os

import duckdb
import psycopg
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.exceptions import DbtRuntimeError
from psycopg.conninfo import conninfo_to_dict

SOURCE = "BESTAND_SOURCE_POSTGRES"
DATABASE = "crm_db"
WHEEL = "duckdb_extension_postgres_scanner"


class Plugin(BasePlugin):
    """Named by the target duckdb_postgres of profiles/profiles.yml."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Attaches what BESTAND_SOURCE_POSTGRES names as `crm_db`, read-only.

        Called once per run, when dbt opens its database. Raises DbtRuntimeError with one sentence when the variable is
        missing or unreadable, the extension is not there, or the database cannot be reached.
        """
        given = _connection()
        _load_extension(conn)
        fields = ", ".join(f"{key} {_literal(value)}" for key, value in given.items())
        try:
            conn.execute(
                f"create or replace temporary secret bestand_crm (type postgres{', ' if fields else ''}{fields})"
            )
            conn.execute(f"attach '' as {DATABASE} (type postgres, read_only, secret bestand_crm)")
        except duckdb.Error as error:
            said = str(error).split('": ', 1)[-1].strip().splitlines()[0]
            for secret in (given.get("password"), given.get("sslpassword"), os.environ.get("PGPASSWORD")):
                said = said.replace(secret, "***") if secret else said
            raise DbtRuntimeError(f"The PostgreSQL database of {SOURCE} cannot be read: {said}") from None


def _connection() -> dict[str, str]:
    """The connection string's parts; a part left out comes from the PG* variables, a service or a password file."""
    try:
        parts = conninfo_to_dict(os.environ[SOURCE])
    except KeyError:
        raise DbtRuntimeError(
            f"The variable {SOURCE} is missing: the target duckdb_postgres reads the CRM from the PostgreSQL database "
            "that it names, such as postgresql://reader@host/crm."
        ) from None
    except psycopg.ProgrammingError:  # its message quotes the string
        raise DbtRuntimeError(
            f"{SOURCE} is not a connection string; expected postgresql://user@host/database or host=... dbname=..."
        ) from None
    defaults = {"application_name": "bestand"}
    if "PGCONNECT_TIMEOUT" not in os.environ:
        defaults["connect_timeout"] = "10"
    return {key: str(value) for key, value in {**defaults, **parts}.items()}


def _load_extension(conn: duckdb.DuckDBPyConnection) -> None:
    """Loads DuckDB's postgres extension from its Python package, or as DuckDB has it installed; downloads nothing."""
    try:
        files = importlib.resources.files(WHEEL) / "extensions" / f"v{duckdb.__version__}"
        conn.execute(f"load {_literal(str(files / 'postgres_scanner.duckdb_extension'))}")
        return
    except (ModuleNotFoundError, duckdb.Error):
        pass
    try:
        conn.execute("set autoinstall_known_extensions = false")
        conn.load_extension("postgres_scanner")
    except duckdb.Error:
        raise DbtRuntimeError(
            f"The target duckdb_postgres needs DuckDB's extension postgres, which DuckDB {duckdb.__version__} does not "
            "find: use DuckDB 1.5.5 with its package duckdb-extension-postgres-scanner (requirements-duckdb15.lock), "
            "or run INSTALL postgres in this DuckDB."
        ) from None
    finally:
        conn.execute("reset autoinstall_known_extensions")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
