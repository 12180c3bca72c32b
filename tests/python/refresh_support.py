"""What the tests of refresh and publish share: a small input that tells its day in every table, a runner that sees only
the command line, and checkers that say in sentences what is not whole about a folder of publishes.

Nothing here imports the project: what is checked is what a scheduler and a BI tool would see.
"""

from __future__ import annotations

import ctypes
import dataclasses
import datetime as dt
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
from project import ROOT, write_entity

# what is built in most tests: two tables that are made by different parts of the project and must agree
MARTS = ("mrr_monthly", "account_months")
FIRST_DAY = dt.date(2019, 3, 16)
BEGIN = "2018-10-01"  # all contracts begin here
PUBLISHED, REFUSED, INPUT, BUSY, FAILED = range(5)
BUILD_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
PATIENCE = 180  # seconds after which a command is taken to hang


# --- the small input ---


def as_of(day: int) -> dt.date:
    """The as-of date of the n-th day (from 1): nine days apart, so that a few days make a month."""
    return FIRST_DAY + dt.timedelta(days=9 * (day - 1))


def marker_mrr(day: int) -> int:
    """What the account `marker` pays a month in the input of the n-th day: it tells the day in every row."""
    return 1000 + day


def region(day: int) -> str:
    """The region of account a02, another one every day: a change of attributes that each refresh must see."""
    return "north" if day % 2 else "south"


def write_input(
    folder: Path, day: int, *, accounts: int = 13, history: bool = False, attributes_of: int | None = None
) -> Path:
    """Writes the CRM of the n-th day, replacing what was there; later days have more rows and other attributes."""
    shutil.rmtree(folder, ignore_errors=True)
    names = [f"a{n:02}" for n in range(1, accounts + 1)]
    rows: list[dict[str, Any]] = [
        {
            "account_id": name, "account_name": f"Name of {name}", "business_model": "b2b_contract",
            "industry": "software" if n % 2 else "energy", "company_size": ("small", "mid", "large")[n % 3],
            "region": region(attributes_of or day) if name == "a02" else "east", "acquisition_channel": "outbound",
            "acquired_on": BEGIN, "currency": "EUR",
        }
        for n, name in enumerate([*names, "marker"])
    ]  # fmt: skip
    write_entity(folder, "accounts", rows)
    subscriptions = [
        {
            "subscription_id": f"s-{name}", "valid_from": BEGIN, "account_id": name, "plan": "basic",
            "amount": marker_mrr(day) if name == "marker" else 10, "currency": "EUR", "billing_interval_months": 1,
        }
        for name in [*names, "marker"]
    ]  # fmt: skip
    write_entity(folder, "subscriptions", subscriptions)
    usage = [
        {"account_id": name, "used_on": as_of(day) - dt.timedelta(days=back), "feature": "board", "quantity": back + 1}
        for name in names[:4]
        for back in range(1, 6 + day % 5)
    ]
    write_entity(folder, "usage_daily", usage)
    if history:
        write_entity(folder, "account_history", [{"account_id": "a02", "valid_from": BEGIN, "region": "supplied"}])
    return folder


# --- the runner ---


@dataclasses.dataclass(frozen=True)
class Run:
    """How one command ended."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float

    @property
    def said(self) -> str:
        """Everything it printed, in one line."""
        return " ".join((self.out + " " + self.err).split())

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON document on standard output."""
        found = json.loads(self.out)
        assert isinstance(found, dict), self.out
        return found

    def ended(self, code: int) -> Run:
        """Itself, having ended with this exit code and without a traceback."""
        assert self.code == code, f"{self.arguments} ended with {self.code}, expected {code}:\n{self.out}\n{self.err}"
        assert "Traceback" not in self.out + self.err, self.err
        return self


class Place:
    """A company's installation: input, working database and publish folder of its own under one folder.

    Commands may run in a `room`. What is published there is looked at as a copy: DuckDB follows /proc back to the room
    of this process.
    """

    # who runs commands that need nothing of their own; without, each is a Python process started anew
    hands: Workshop | None = None

    def __init__(self, root: Path, *, published_in: Room | None = None, database_in: Room | None = None) -> None:
        self.root = root
        self.settings: dict[str, str] = {}
        self.input = root / "input"
        self.room = published_in or database_in
        self.published_in = published_in
        self.publish_dir = (published_in.inside if published_in else root) / "published"
        self.database = (database_in.inside if database_in else root / "work") / "bestand.duckdb"
        self.root.mkdir(parents=True, exist_ok=True)
        (root / "work").mkdir(exist_ok=True)

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of its commands: nothing of the caller's settings of the project."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BESTAND_", "DBT_"))}
        return {
            **kept,
            "BESTAND_DATABASE": str(self.database),
            "BESTAND_PUBLISH_DIR": str(self.publish_dir),
            "DBT_TARGET_PATH": str(self.root / "target"),
            "DBT_LOG_PATH": str(self.root / "logs"),
            "BESTAND_THREADS": "2",
            "COLUMNS": "300",
            **self.settings,
            **more,
        }

    def day(self, day: int, **options: Any) -> list[str]:
        """Writes the input of the n-th day; returns the arguments of a refresh for it."""
        write_input(self.input, day, **options)
        return self.refresh_arguments(as_of(day))

    def refresh_arguments(self, on: dt.date | None = None, *, marts: Sequence[str] = MARTS) -> list[str]:
        """The arguments of a refresh from the input folder."""
        return [
            "refresh", "--input", str(self.input), *(("--as-of", str(on)) if on else ()),
            *(word for mart in marts for word in ("--marts", mart)),
        ]  # fmt: skip

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Starts a command of the project in a process of its own."""
        where = self.room.enter if self.room else ()
        return subprocess.Popen(
            [*where, sys.executable, "-m", "bestand.cli", *arguments], cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment(**options.pop("environment", {})),
            **options,
        )  # fmt: skip

    def run(self, *arguments: str, **options: Any) -> Run:
        """Runs a command of the project to its end."""
        if self.hands and not self.room and not set(options) - {"environment"}:
            return self.hands.run(self, arguments, **options)
        began = time.monotonic()
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"{arguments} did not end within {PATIENCE} s:\n{out}\n{err}") from None
        return Run(arguments, process.returncode, out, err, time.monotonic() - began)

    def refresh(self, day: int, *more: str, **options: Any) -> Run:
        """Writes the input of the n-th day and refreshes from it."""
        written = {name: options.pop(name) for name in ("accounts", "history", "attributes_of") if name in options}
        return self.run(*self.day(day, **written), *more, **options)

    # --- what can be seen from outside ---

    @property
    def published(self) -> Path:
        """The publish folder as readers see it."""
        if not self.published_in:
            return self.publish_dir
        seen = self.root / "seen"
        shutil.rmtree(seen, ignore_errors=True)
        shutil.copytree(self.published_in.folder / "published", seen, symlinks=True)
        return seen

    @property
    def marts(self) -> Path:
        """The file that BI tools read."""
        return self.published / "marts.duckdb"

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """What a query on the published marts gives."""
        return rows(self.marts, sql, parameters)

    def build_id(self) -> str:
        """The build that is published."""
        (row,) = self.rows("select build_id from operations.publish_manifest")
        return str(row["build_id"])

    def kept(self) -> list[str]:
        """Builds that are kept, oldest first."""
        return sorted(path.name for path in (self.published / "publishes").iterdir() if not path.name.startswith("."))

    def state(self, sql: str) -> list[dict[str, Any]]:
        """What a query on a copy of the project's own records gives; a copy, so that nothing is repaired by looking."""
        with tempfile.TemporaryDirectory() as folder:
            for path in (self.published / "state").glob("state.duckdb*"):
                shutil.copy(path, folder)
            return rows(Path(folder) / "state.duckdb", sql, schema="operations", read_only=False)

    def image(self) -> dict[str, str]:
        """Everything a reader can see, as text: equal images are the same publish."""
        return {
            "database": fingerprint(self.marts),
            "parquet": str(current_parquet(self.published)),
            "files": str([path.name for path in sorted((self.published / "parquet" / "current").iterdir())]),
        }


@contextmanager
def opened(
    database: Path | None, *, schema: str = "main", read_only: bool = True
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a DuckDB file under a name of its own, so that schemas are found by their names; or to none."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        if database is not None:
            connection.execute(f"attach '{database}' as looked_at {'(read_only)' if read_only else ''}")
            connection.execute(f"use looked_at.{schema}")
        yield connection
        if database is not None:
            connection.execute("use memory; detach looked_at")


def rows(database: Path, sql: str, parameters: Sequence[Any] = (), **options: Any) -> list[dict[str, Any]]:
    """What a query on a DuckDB file gives, as dictionaries."""
    with opened(database, **options) as connection:
        cursor = connection.execute(sql, list(parameters))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def tables(database: Path, schema: str = "main") -> list[str]:
    """Names of the tables of a schema; the marts of a published file lie in `main`."""
    found = rows(
        database,
        "select table_name from duckdb_tables() where database_name = 'looked_at' and schema_name = ? order by 1",
        [schema],
    )
    return [row["table_name"] for row in found]


def content(database: Path, schema: str, table: str) -> list[str]:
    """The rows of a table as sorted text."""
    with opened(database) as connection:
        return sorted(map(repr, connection.execute(f'select * from "{schema}"."{table}"').fetchall()))


def fingerprint(database: Path) -> str:
    """Every row of every table of a DuckDB file, as one text."""
    return json.dumps({
        f"{schema}.{table}": content(database, schema, table)
        for schema in ("main", "operations") for table in tables(database, schema)
    })  # fmt: skip


# What both tables tell of the day; {0} and {1} are what to select from.
DAY_TOLD = """
    select distinct cast(told as integer) as day from (
        select mrr_end - 1000 - 130 as told from {0}
        union all
        select mrr_end - 1000 from {1} where account_id = 'marker'
    )
"""


def day_told(connection: duckdb.DuckDBPyConnection, monthly: str, months: str) -> int:
    """The day that every row of both tables tells; raises when they are of different days or tell none."""
    found = [day for (day,) in connection.execute(DAY_TOLD.format(monthly, months)).fetchall()]
    if len(found) != 1:
        raise AssertionError(f"the tables are of several builds: they tell the days {sorted(found)}")
    return int(found[0])


def current_parquet(published: Path) -> Path:
    """The folder that parquet/current points to; by words alone, as the folder may lie in another mount namespace."""
    link = published / "parquet" / "current"
    return Path(os.path.normpath(link.parent / link.readlink()))


def recorded_history(place: Place, account: str = "a02") -> list[tuple[dt.date, str | None]]:
    """What the project has recorded of the region of an account: since when which."""
    found = place.state(f"select valid_from, region from account_history where account_id = '{account}' order by 1")
    return [(row["valid_from"], row["region"]) for row in found]


def regions_by_month(place: Place, account: str = "a02") -> dict[dt.date, str]:
    """The region of an account in each month, as the published marts tell it."""
    found = place.rows("select month_start, region from account_months where account_id = ?", [account])
    return {row["month_start"]: row["region"] for row in found}


def count_and_checksum(source: str, database: Path | None = None) -> tuple[int, str]:
    """Rows of a table or file and the sum over them of the lower 64 bits of the MD5 of each row's text.

    Reckoned here in Python from the definition; only the text of a row is DuckDB's.
    """
    with opened(database) as connection:
        texts = connection.execute(f"select cast(one as varchar) from {source} as one").fetchall()
    total = sum(int.from_bytes(hashlib.md5(text.encode()).digest()[8:], "little") for (text,) in texts)
    return len(texts), str(total)


def tells_its_day(database: Path) -> bool:
    """Whether the marts were made from the small input."""
    if not set(MARTS) <= set(tables(database)):
        return False
    return bool(rows(database, "from account_months where account_id = 'marker' limit 1"))


# --- checkers: each returns what is wrong, in sentences; nothing when all is well ---


def publish_faults(published: Path, known: Mapping[str, int] | None = None, *, is_first: bool = False) -> list[str]:
    """What is not whole about the publish that readers see now, and about those that are kept.

    `known` maps build ids to the day they were made for: what is published must be one of them and tell that day.
    After a kill in the very first publish (`is_first`) the pointer to Parquet may not be there yet.
    """
    found: list[str] = []
    database = published / "marts.duckdb"
    found += database_faults(database, known)
    if not is_first or (published / "parquet" / "current").is_symlink():
        current = current_parquet(published)
        found += parquet_faults(current, known)
        if current.parent.parent != published / "publishes":
            found.append(f"parquet/current points to {current}, which is not in publishes")
    for folder in sorted((published / "publishes").iterdir()):
        if folder.name.startswith("."):
            continue  # not a publish; see leftovers
        if not BUILD_ID.fullmatch(folder.name):
            found.append(f"publishes/{folder.name} is not named as a build")
            continue
        found += [f"publishes/{folder.name}: {fault}" for fault in database_faults(folder / "marts.duckdb", known)]
        found += [f"publishes/{folder.name}: {fault}" for fault in parquet_faults(folder / "parquet", known)]
        inside = rows(folder / "marts.duckdb", "select build_id from operations.publish_manifest")
        if [row["build_id"] for row in inside] != [folder.name]:
            found.append(f"publishes/{folder.name} holds build {inside}")
        if read_json(folder / "manifest.json").get("build_id") != folder.name:
            found.append(f"publishes/{folder.name}: manifest.json is of another build")
        found += same_content(folder / "marts.duckdb", folder / "parquet")
    (build,) = [row["build_id"] for row in rows(database, "select build_id from operations.publish_manifest")]
    kept = published / "publishes" / build / "marts.duckdb"
    if not kept.exists():
        found.append(f"marts.duckdb is of build {build}, which is not kept")
    elif kept.read_bytes() != database.read_bytes():
        found.append(f"marts.duckdb differs from the kept file of build {build}")
    return found


def database_faults(database: Path, known: Mapping[str, int] | None = None) -> list[str]:
    """What is not whole about one file of marts."""
    found: list[str] = []
    try:
        manifest = rows(database, "select * from operations.publish_manifest")
        listed = rows(database, "select * from operations.publish_tables order by schema_name, table_name")
    except (duckdb.Error, OSError) as error:
        return [f"{database.name} cannot be read: {error}"]
    if len(manifest) != 1:
        return [f"publish_manifest has {len(manifest)} rows"]
    (one,) = manifest
    if not BUILD_ID.fullmatch(one["build_id"]):
        found.append(f"build id {one['build_id']!r} is not of the documented form")
    there = [("main", table) for table in tables(database)]
    named = [(row["schema_name"], row["table_name"]) for row in listed]
    if not there:
        found.append("there are no marts")
    if sorted(pair for pair in named if pair[0] != "operations") != sorted(there):
        found.append(f"publish_tables lists {named}, there are {there}")
    for row in listed:
        name = f"{row['schema_name']}.{row['table_name']}"
        try:
            counted, summed = count_and_checksum(f'"{row["schema_name"]}"."{row["table_name"]}"', database)
        except duckdb.Error as error:
            found.append(f"{name} cannot be read: {error}")
            continue
        if counted != row["row_count"]:
            found.append(f"{name} has {counted} rows, publish_tables says {row['row_count']}")
        if summed != row["checksum"]:
            found.append(f"{name} has checksum {summed}, publish_tables says {row['checksum']}")
    build = one["build_id"]
    for table in ("refresh_runs", "model_runs", "test_results", "reported_kpis"):
        if table not in tables(database, "operations"):
            found.append(f"operations.{table} is missing")
    if tells_its_day(database):
        with opened(database) as connection:
            try:
                day = day_told(connection, "mrr_monthly", "account_months")
            except AssertionError as error:
                found.append(f"{build}: {error}")
            else:
                if as_of(day) != one["as_of_date"]:
                    found.append(f"{build} is said to be of {one['as_of_date']} and tells {as_of(day)}")
                if known is not None and known.get(build) != day:
                    found.append(f"{build} tells day {day}, but was {known.get(build, 'never published')}")
    return found


def parquet_faults(folder: Path, known: Mapping[str, int] | None = None) -> list[str]:
    """What is not whole about one folder of Parquet files."""
    found: list[str] = []
    if not folder.is_dir():
        return [f"{folder.name} is no folder"]
    manifest = read_json(folder / "manifest.json")
    if not manifest:
        return [f"{folder}: manifest.json is missing or no JSON"]
    build = manifest.get("build_id")
    if build != folder.parent.name:
        found.append(f"{folder} says it is of build {build}")
    counts = {row["table_name"]: row["row_count"] for row in manifest["tables"] if row["schema_name"] != "operations"}
    there = {path.stem: path for path in folder.glob("*.parquet")}
    if "publish_manifest" in there:  # beside the marts, so that a reader of Parquet can ask for the build too
        counts["publish_manifest"] = 1
    if set(counts) != set(there):
        found.append(f"{folder}: manifest lists {sorted(counts)}, there are {sorted(there)}")
    strange = [path.name for path in folder.iterdir() if path.suffix != ".parquet" and path.name != "manifest.json"]
    if strange:
        found.append(f"{folder}: {strange} do not belong there")
    for table, path in there.items():
        try:
            with duckdb.connect() as connection:
                counted = connection.read_parquet(str(path)).aggregate("count(*)").fetchall()[0][0]
        except (duckdb.Error, OSError) as error:
            found.append(f"{path} cannot be read: {error}")
            continue
        sums = {row["table_name"]: row["checksum"] for row in manifest["tables"] if row["schema_name"] != "operations"}
        if table in sums and count_and_checksum(f"read_parquet('{path}')")[1] != sums[table]:
            found.append(f"{path} has another checksum than the manifest says")
        if counted != counts.get(table):
            found.append(f"{path} has {counted} rows, the manifest says {counts.get(table)}")
    if not found and tells_its_day(folder.parent / "marts.duckdb"):
        with duckdb.connect() as connection:
            try:
                day = day_told(connection, *(f"read_parquet('{there[mart]}')" for mart in MARTS))
                if known is not None and known.get(str(build)) != day:
                    found.append(f"Parquet of {build} tells day {day}, but was {known.get(str(build))}")
            except AssertionError as error:
                found.append(f"Parquet of {build}: {error}")
    return found


def same_content(database: Path, folder: Path) -> list[str]:
    """Where the Parquet files of a publish differ from its tables, in rows, names or order of columns."""
    found = []
    with opened(database) as connection:
        for table in tables(database):
            path = folder / f"{table}.parquet"
            file = f"read_parquet('{path}')"
            named = [
                [row[0] for row in connection.execute(f"describe select * from {source}").fetchall()]
                for source in (table, file)
            ]
            if named[0] != named[1]:
                found.append(f"{path}: columns differ from the table's")
                continue
            differing = connection.execute(
                f"select count(*) from ((from {table} except all from {file}) union all"
                f" (from {file} except all from {table}))"
            ).fetchone()
            if differing != (0,):
                found.append(f"{path}: {differing} rows differ from the table's")
    return found


def leftovers(place: Place) -> list[str]:
    """What lies about after a command has ended well and does not belong to a publish."""
    allowed = {
        "": {"marts.duckdb", "parquet", "publishes", "audits", "restricted", "state"},
        "parquet": {"current"},
        "state": {"refresh.lock", "state.duckdb", "held"},
        "state/held": {"account_history.parquet"},
        "restricted": {"account_directory.parquet"},
    }
    found = []
    for folder, names in allowed.items():
        path = place.published / folder
        found += [f"{folder}/{each.name}" for each in path.iterdir() if each.name not in names] if path.exists() else []
    for folder in ("publishes", "audits"):
        path = place.published / folder
        known = [each.name for each in path.iterdir()] if path.exists() else []
        found += [f"{folder}/{name}" for name in known if not BUILD_ID.fullmatch(name)]
    expected = {place.database.name, f".{place.database.name}.lock"}
    found += [
        f"beside the working database: {path.name}"
        for path in place.database.parent.iterdir()
        if path.name not in expected
    ]
    return found


def state_faults(place: Place) -> list[str]:
    """What the project's own records and those inside the publish say wrongly. For a place at rest after a good run."""
    found: list[str] = []
    runs = place.state("select * from refresh_runs")
    by_id: dict[str, dict[str, Any]] = {}
    codes = {"published": 0, "refused": 1, "input_error": 2, "failed": 4, "dry_run": 0, "busy": 3}
    for run in runs:
        build = run["build_id"]
        if build in by_id:
            found.append(f"refresh_runs has {build} twice")
        by_id[build] = run
        if run["status"] not in (*codes, "interrupted"):
            found.append(f"{build} is {run['status']} in refresh_runs, although nothing runs")
        elif run["exit_code"] != codes.get(run["status"], run["exit_code"]):
            found.append(f"{build} is {run['status']} with exit code {run['exit_code']}")
        if run["finished_at"] is not None and run["finished_at"] < run["started_at"]:
            found.append(f"{build} finished before it started")
        if run["status"] == "published" and run["finished_at"] is None:
            found.append(f"{build} is published and never finished")
    build = place.build_id()
    if by_id.get(build, {}).get("status") != "published":
        found.append(f"{build} is what readers see, but {by_id.get(build, {}).get('status')} in refresh_runs")
    inside = place.rows("select build_id, status, exit_code from operations.refresh_runs where build_id = ?", [build])
    if inside != [{"build_id": build, "status": "published", "exit_code": 0}]:
        found.append(f"the publish says of itself {inside}")
    for kept in place.kept():
        if by_id.get(kept, {}).get("status") != "published":
            found.append(f"{kept} is kept, but {by_id.get(kept, {}).get('status')} in refresh_runs")
    published = {
        run["build_id"] for run in runs if run["status"] == "published" and run["action"] in ("refresh", "publish")
    }
    kpis: dict[str, list[Any]] = {}
    for row in place.state("select build_id, month_start from reported_kpis"):
        kpis.setdefault(row["build_id"], []).append(row["month_start"])
    if set(kpis) != published:
        found.append(f"reported_kpis is of {sorted(kpis)}, published were {sorted(published)}")
    found += [
        f"reported_kpis has months of {each} twice" for each, months in kpis.items() if len(months) != len(set(months))
    ]
    held = place.published / "state" / "held" / "account_history.parquet"
    if held.exists():
        # what the next build reads is what is recorded, and what the publish tells
        records = [
            place.state("select account_id, valid_from, region from account_history order by all"),
            place.rows("select account_id, valid_from, region from operations.account_history order by all"),
        ]
        with opened(None) as connection:
            rest = connection.execute(f"select account_id, valid_from, region from read_parquet('{held}') order by all")
            names = [column[0] for column in rest.description]
            records.append([dict(zip(names, row, strict=True)) for row in rest.fetchall()])
        if not records[0] == records[1] == records[2]:
            found.append(f"account_history differs: recorded {records[0]}, published {records[1]}, held {records[2]}")
    for table in ("model_runs", "test_results"):
        told = {row["build_id"] for row in place.state(f"select distinct build_id from {table}")}
        missing = {
            run["build_id"] for run in runs if run["status"] == "published" and run["action"] == "refresh"
        } - told
        if missing:
            found.append(f"{table} has nothing of {sorted(missing)}")
        if told - set(by_id):
            found.append(f"{table} tells of {sorted(told - set(by_id))}, which refresh_runs does not know")
    return found


def mode_faults(published: Path) -> list[str]:
    """Folders that are open to others although they hold names or the state; marts that others cannot read."""
    found = []
    for name in ("restricted", "state"):
        mode = stat.S_IMODE((published / name).stat().st_mode)
        if mode != 0o700:
            found.append(f"{name} has mode {mode:o}")
    for path in (published / "marts.duckdb", *(published / "parquet" / "current").iterdir()):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o022:
            found.append(f"{path} can be written by others: {mode:o}")
    return found


def read_json(path: Path) -> dict[str, Any]:
    """A JSON document; empty where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def whole(place: Place, known: Mapping[str, int] | None = None) -> None:
    """Fails unless what readers see is whole."""
    found = publish_faults(place.published, known)
    assert not found, "\n".join(found)


def at_rest(place: Place, known: Mapping[str, int] | None = None) -> None:
    """Fails unless everything is in order after a command that has ended well."""
    found = [
        *publish_faults(place.published, known), *state_faults(place), *mode_faults(place.published),
        *(f"left over: {name}" for name in leftovers(place)),
    ]  # fmt: skip
    resolved = current_parquet(place.published).parent.name
    if resolved != place.build_id():
        found.append(f"Parquet is of {resolved}, marts.duckdb of {place.build_id()}")
    assert not found, "\n".join(found)


# --- killing ---


class Workshop:
    """Runs commands of a place as forks of one process, and kills them: at a moment, or at the n-th named step."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "torture" / "workshop.py")], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._answer() == {"ready": True}

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE)

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the workshop has ended"
        found: dict[str, Any] = json.loads(line)
        return found

    def run(
        self, place: Place, arguments: Sequence[str], *, after: float | None = None, at_step: int | None = None,
        steps: Path | None = None, environment: Mapping[str, str] | None = None,
    ) -> Run:  # fmt: skip
        """One command; killed `after` so many seconds, or `at_step`, the n-th named step (from 1)."""
        assert self.process.stdin is not None
        out, err = place.root / "out.txt", place.root / "err.txt"
        order = {
            "arguments": list(arguments), "environment": place.environment(**(environment or {})), "out": str(out),
            "err": str(err), "die_at": at_step, "steps": str(steps) if steps else None,
        }  # fmt: skip
        began = time.monotonic()
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        pid = self._answer()["pid"]
        if after is not None:
            time.sleep(max(0.0, after - (time.monotonic() - began)))
            with suppress(ProcessLookupError):
                # the workshop waits for it: until then the pid is nobody else's
                os.kill(pid, signal.SIGKILL)
        code = self._answer()["code"]
        return Run(tuple(arguments), code, out.read_text(), err.read_text(), time.monotonic() - began)


class Victim:
    """A place whose commands are killed, one day after the other; what readers see is looked at after each kill, and
    the next refresh has to succeed without help before the next kill comes."""

    def __init__(self, root: Path) -> None:
        self.place = Place(root)
        self.workshop = Workshop()
        self.day = 0
        self.known: dict[str, int] = {}
        self.faults: list[str] = []
        self.recoveries: list[float] = []

    def close(self) -> None:
        self.workshop.close()

    def live(self, *more: str, command: Sequence[str] = (), **how: Any) -> Run:
        """A refresh of the day (or another command) that must succeed, after which everything is in order."""
        run = self.workshop.run(self.place, [*(command or self.place.day(self.day)), *more], **how)
        if run.code != PUBLISHED:
            self.faults.append(
                f"day {self.day}: {run.arguments[0]} ended with {run.code} without being killed: {run.err}"
            )
        else:
            self.known[self.place.build_id()] = self.day
            self.recoveries.append(run.seconds)
        try:
            at_rest(self.place, self.known)
        except (AssertionError, OSError, duckdb.Error) as error:
            self.faults.append(f"day {self.day}, after a good {run.arguments[0]}: {error}")
        print(f"day {self.day}: {run.arguments[0]} in {run.seconds:.1f} s; {len(self.faults)} faults")
        return run

    def dawn(self) -> None:
        """The next day, which goes well."""
        self.day += 1
        self.live()

    def killed(self, label: str, *more: str, command: Sequence[str] = (), **how: Any) -> bool:
        """One command, killed; then a look. Returns whether it was at work when the kill came."""
        published = (self.place.published / "marts.duckdb").exists()
        before = self.place.build_id() if published else None
        run = self.workshop.run(self.place, [*(command or self.place.day(self.day)), *more], **how)
        if run.code not in (-signal.SIGKILL, PUBLISHED):
            self.faults.append(f"{label}: ended with {run.code} by itself: {run.err}")
        found = self.look(before)
        self.faults += [f"{label}: {fault}" for fault in found]
        now = self.place.build_id() if (self.place.published / "marts.duckdb").exists() else None
        print(label, "killed" if run.code < 0 else "ended", "before" if now == before else "after", "the swap", found)
        return run.code == -signal.SIGKILL

    def killed_back(self, label: str, command: Sequence[str], *, at_step: int) -> bool:
        """A publish or rollback, killed at a step; what it leaves may be older than what was there."""
        run = self.workshop.run(self.place, command, at_step=at_step)
        for build in {self.place.build_id(), *self.place.kept()} - set(self.known):
            self.known[build] = self.day
        self.faults += [f"{label}: {fault}" for fault in publish_faults(self.place.published, self.known)]
        return run.code == -signal.SIGKILL

    def look(self, before: str | None) -> list[str]:
        """What is wrong with what readers see: it is whole, and of the build before or of the one of this day."""
        published = self.place.published
        if before is None and not (published / "marts.duckdb").exists():
            # nothing had been published: then there is nothing, rather than half of something
            return [] if not (published / "parquet" / "current").exists() else ["parquet/current without marts.duckdb"]
        now = self.place.build_id()
        for build in {now, *self.place.kept()} - set(self.known):
            # made by the command that was killed: then it holds the day of that command
            self.known[build] = self.day
        found = publish_faults(published, self.known, is_first=before is None)
        if before is not None and now < before:
            found.append(f"went back from {before} to {now}")
        return found


def obey_modes() -> None:
    """For the child of a root process, before it begins: modes of files count for it as for everybody else."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            if libc.prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP: what is started next does not get it
                raise OSError(ctypes.get_errno(), "the capability cannot be given up")


def small_files(limit: int) -> None:
    """For a child process, before it begins: no file may grow beyond so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


# --- rooms: a file system of a size of one's own ---


class NoRoom(Exception):
    """This machine allows no mount, not even in a namespace of one's own."""


class Room:
    """A tmpfs in a mount namespace of its own, which ends with it: to be filled up, or made read-only.

    Root gets a mount namespace, others one within a user namespace. From outside it is seen under /proc.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if os.environ.get("BESTAND_TEST_NO_ROOM"):
            raise NoRoom("BESTAND_TEST_NO_ROOM is set")
        self.inside = folder
        ways = [["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]]
        refused = []
        for way in ways if os.geteuid() == 0 else ways[1:]:
            program = f'mount -t tmpfs -o size={megabytes}m,mode=755 room "{folder}" && echo ready && exec cat'
            try:
                self.process = subprocess.Popen(
                    [*way, "sh", "-c", program], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )  # fmt: skip
            except OSError as error:
                refused.append(str(error))
                continue
            assert self.process.stdout is not None
            if self.process.stdout.readline() == "ready\n":
                users = ["--user", "--preserve-credentials"] if "--user" in way else []
                self.enter = ["nsenter", "--target", str(self.process.pid), *users, "--mount"]
                self.folder = Path(f"/proc/{self.process.pid}/root{folder}")
                return
            refused.append(self.process.communicate()[1].strip())
        raise NoRoom("; ".join(refused))

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=10)

    def remount(self, mode: str) -> None:
        """Makes the room `ro` or `rw`."""
        subprocess.run([*self.enter, "mount", "-o", f"remount,{mode}", str(self.inside)], check=True)

    @property
    def free(self) -> int:
        """Bytes that are free."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill(self, leave: int) -> None:
        """Fills the room up to so many free bytes."""
        ballast = self.folder / "ballast"
        ballast.unlink(missing_ok=True)
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, self.free - leave))

    def empty(self) -> None:
        """Gives the space back."""
        (self.folder / "ballast").unlink(missing_ok=True)
