"""The life of a warehouse that is refreshed, through its command line: days follow each other, runs are refused,
broken, busy and failed, and readers never notice."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from project import ROOT
from refresh_support import (
    BUSY,
    FAILED,
    INPUT,
    MARTS,
    PUBLISHED,
    REFUSED,
    Place,
    Run,
    Workshop,
    as_of,
    at_rest,
    current_parquet,
    marker_mrr,
    opened,
    recorded_history,
    regions_by_month,
    rows,
    tables,
    whole,
    write_input,
)

pytestmark = pytest.mark.slow
DUCKDB15 = ROOT / ".cache" / "duckdb-1.5"


@pytest.fixture(scope="module", autouse=True)
def workshop() -> Iterator[Workshop]:
    """Most commands here are forks of one process that has imported what they need: half the time."""
    made = Place.hands = Workshop()
    yield made
    Place.hands = None
    made.close()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place after its first refresh; tests that change something take a copy."""
    place = Place(tmp_path_factory.mktemp("first"))
    process = place.start(*place.day(1))  # a process as a scheduler starts it
    out, err = process.communicate(timeout=180)
    assert process.returncode == PUBLISHED, out + err
    return place


@pytest.fixture(scope="module")
def second(first: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The same place four days later: rows have come, the region of an account has changed."""
    place = copied(first, tmp_path_factory.mktemp("second"))
    place.refresh(4).ended(PUBLISHED)
    return place


def copied(place: Place, folder: Path) -> Place:
    """The same place elsewhere."""
    shutil.copytree(place.root, folder, symlinks=True, dirs_exist_ok=True)
    return Place(folder)


# --- days that go well ---


def test_the_first_refresh_publishes(first: Place) -> None:
    build = first.build_id()
    at_rest(first, {build: 1})
    assert first.kept() == [build]
    assert tables(first.marts) == sorted(MARTS)
    (manifest,) = first.rows("select * from operations.publish_manifest")
    assert manifest["as_of_date"] == as_of(1)
    assert manifest["reporting_currency"] == "EUR"
    assert abs(manifest["published_at"].replace(tzinfo=None) - dt.datetime.utcnow()) < dt.timedelta(hours=2)


def test_the_next_day_replaces_it_and_keeps_it(first: Place, second: Place) -> None:
    old, new = first.build_id(), second.build_id()
    assert old < new
    at_rest(second, {old: 1, new: 4})
    assert second.kept() == [old, new]
    assert (second.published / "publishes" / old / "marts.duckdb").read_bytes() == first.marts.read_bytes()


def test_what_was_reported_then_is_kept(first: Place, second: Place) -> None:
    """Each publish adds its own KPI rows, as they were published, and never touches those of earlier ones."""
    old, new = first.build_id(), second.build_id()
    then = (
        "select * exclude (build_id, reported_at, as_of_date) from operations.reported_kpis"
        " where build_id = ? order by all"
    )
    assert second.rows(then, [old]) == first.rows("from mrr_monthly order by all")
    assert second.rows(then, [new]) == second.rows("from mrr_monthly order by all")
    reported = second.rows("select distinct build_id, as_of_date from operations.reported_kpis order by 1")
    assert [tuple(row.values()) for row in reported] == [(old, as_of(1)), (new, as_of(4))]
    # what was said of a month then, and what is said of it now
    said = second.rows(
        "select mrr_end from operations.reported_kpis where month_start = date '2019-02-01' order by build_id"
    )
    assert [row["mrr_end"] for row in said] == [marker_mrr(1) + 130, marker_mrr(4) + 130]


def test_runs_models_and_tests_are_told(second: Place) -> None:
    runs = second.rows("select * from operations.refresh_runs order by started_at")
    assert [(run["action"], run["status"], run["as_of_date"], run["crm_source"]) for run in runs] == [
        ("refresh", "published", as_of(1), "files"), ("refresh", "published", as_of(4), "files"),
    ]  # fmt: skip
    assert all(run["seconds"] > 0 and run["tests_failed"] == 0 for run in runs)
    models = second.rows("select * from operations.model_runs where build_id = ?", [second.build_id()])
    assert {"mrr_monthly", "account_months", "accounts"} <= {row["model"] for row in models}
    assert len({(row["model"], row["resource_type"]) for row in models}) == len(models)
    tests = second.rows("select * from operations.test_results where build_id = ?", [second.build_id()])
    assert {row["tool"] for row in tests} == {"dbt", "great_expectations"}
    assert {row["mart"] for row in tests if row["tool"] == "great_expectations"} >= set(MARTS)
    assert {row["status"] for row in tests} <= {"pass", "warn"}
    assert "mrr_monthly_key" in {row["test"] for row in tests}


def test_columns_and_comments_are_those_of_the_models(second: Place) -> None:
    for mart in MARTS:
        found = []
        for database, schema in ((second.marts, "main"), (second.database, "marts")):
            with opened(database) as connection:
                found.append(
                    (
                        connection.execute(f"select * from (describe {schema}.{mart})").fetchall(),
                        connection.execute(f"from {schema}.{mart} order by all").fetchall(),
                    )
                )
        assert [row[:2] for row in found[0][0]] == [row[:2] for row in found[1][0]]
        assert found[0][1] == found[1][1]
    (monthly,) = second.rows(
        "select comment from duckdb_tables() where table_name = 'mrr_monthly' and schema_name = 'main'"
    )
    assert " ".join(monthly["comment"].split()).startswith("One row per month, from the first to the running one")
    silent = second.rows(
        "select table_name, column_name from duckdb_columns() where schema_name = 'main'"
        " and database_name = 'looked_at' and coalesce(comment, '') = ''"
        " union all select table_name, '' from duckdb_tables()"
        " where database_name = 'looked_at' and coalesce(comment, '') = ''"
    )
    assert silent == []


def test_a_reader_asks_as_one_would(second: Place) -> None:
    """The file opened by its name: a mart is `marts.mrr_monthly` as in the working database, and `mrr_monthly` too."""
    with duckdb.connect(str(second.marts), read_only=True) as connection:
        for table in ("marts.mrr_monthly", "mrr_monthly", "operations.publish_manifest"):
            assert connection.execute(f"select count(*) > 0 from {table}").fetchone() == (True,)


def test_clients_of_the_older_duckdb_read_it(second: Place) -> None:
    assert DUCKDB15.is_dir(), "DuckDB 1.5 is missing: make test installs it (make .cache/duckdb-1.5/.installed)"
    program = (
        "import duckdb, json, sys; assert duckdb.__version__.startswith('1.5.'), duckdb.__version__;"
        "c = duckdb.connect(sys.argv[1], read_only=True);"
        "print(json.dumps([c.sql(q).fetchall() for q in sys.argv[2:]], default=str))"
    )
    asked = [
        "select count(*), sum(mrr_end) from mrr_monthly",
        "select build_id from operations.publish_manifest",
        "select schema_name, table_name, row_count from operations.publish_tables order by all",
    ]
    for database in (
        second.marts,
        *(second.published / "publishes" / build / "marts.duckdb" for build in second.kept()),
    ):
        run = subprocess.run(
            [sys.executable, "-c", program, str(database), *asked], env={**os.environ, "PYTHONPATH": str(DUCKDB15)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        expected = [[list(row.values()) for row in rows(database, sql)] for sql in asked]
        assert json.loads(run.stdout) == json.loads(json.dumps(expected, default=str))


def test_names_are_published_nowhere(second: Place) -> None:
    """Names are in the restricted file, which this proves by finding them there, and in nothing that is published."""

    def names_in(source: str, database: Path | None = None) -> int:
        with opened(database) as connection:
            told = connection.execute(
                f"select count(*) from {source} as t where t::text like '%Name of a0%'"
            ).fetchone()
        assert told is not None
        return int(told[0])

    restricted = second.published / "restricted" / "account_directory.parquet"
    assert names_in(f"read_parquet('{restricted}')") >= 9
    for build in second.kept():
        folder = second.published / "publishes" / build
        for schema in ("main", "operations"):
            for table in tables(folder / "marts.duckdb", schema):
                assert names_in(f"{schema}.{table}", folder / "marts.duckdb") == 0, table
        for path in folder.glob("parquet/*.parquet"):
            assert names_in(f"read_parquet('{path}')") == 0, path


def test_what_is_private_is_closed_and_what_is_published_can_be_read(second: Place) -> None:
    for name in ("state", "restricted"):
        assert stat.S_IMODE((second.published / name).stat().st_mode) == 0o700
    mode = stat.S_IMODE(second.marts.stat().st_mode)
    assert mode & 0o444 == 0o444, f"{mode:o}: BI tools run as other users"
    assert not mode & 0o022
    for path in current_parquet(second.published).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o444 == 0o444, path


def test_json_is_one_document_and_everything_else_goes_to_stderr(first: Place, tmp_path: Path) -> None:
    place = copied(first, tmp_path)
    told = place.refresh(2, "--json").ended(PUBLISHED).json
    assert told["build_id"] == place.build_id()
    assert told["status"] == "published"
    assert told["exit_code"] == PUBLISHED
    assert told["as_of_date"] == str(as_of(2))
    for arguments, code in (
        ([*place.refresh_arguments(), "--as-of", "2019-02-30", "--json"], INPUT),
        (["refresh", "--input", str(tmp_path / "nowhere"), "--as-of", "2019-05-01", "--json"], INPUT),
    ):
        told = place.run(*arguments).ended(code).json
        assert told["exit_code"] == code
        assert told["reason"]
    status = place.run("status", "--json").ended(0).json
    assert status["build_id"] == place.build_id() or status["published"]["build_id"] == place.build_id()


def test_a_dry_run_publishes_and_records_nothing(first: Place, tmp_path: Path) -> None:
    place = copied(first, tmp_path)
    before, records = place.image(), records_of(place)
    run = place.refresh(4, "--dry-run").ended(PUBLISHED)
    assert "dry" in run.said.lower()
    assert place.image() == before
    assert records_of(place) == records
    assert recorded_history(place) == recorded_history(first)


def records_of(place: Place) -> dict[str, list[dict[str, Any]]]:
    """The project's own records, but for dry runs themselves."""
    told = {
        table: place.state(f"select * from {table} order by all")
        for table in ("model_runs", "test_results", "reported_kpis")
    }
    told["refresh_runs"] = place.state("select * from refresh_runs where status <> 'dry_run' order by all")
    return told


def test_without_an_as_of_date_it_is_today(first: Place, tmp_path: Path) -> None:
    place = copied(first, tmp_path)
    write_input(place.input, 2)
    days = [dt.datetime.now(dt.UTC).date()]
    # the months since then make the marts several times as large, which an audit may rightly refuse
    run = place.run(*place.refresh_arguments(), "--json")
    days.append(dt.datetime.now(dt.UTC).date())
    assert run.code in (PUBLISHED, REFUSED), run.err
    assert run.json["as_of_date"] in map(str, days)


def test_full_rebuilds_all_and_gives_the_same(second: Place, tmp_path: Path) -> None:
    place = copied(second, tmp_path)
    place.refresh(4, "--full").ended(PUBLISHED)
    at_rest(place)
    for mart in MARTS:
        assert place.rows(f"from {mart} order by all") == second.rows(f"from {mart} order by all")
    (run,) = place.rows("select is_full from operations.refresh_runs where build_id = ?", [place.build_id()])
    assert run == {"is_full": True}


def test_the_demo_is_refreshed_with_every_mart(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.run("refresh").ended(PUBLISHED)
    at_rest(place)
    there = set(tables(place.marts))
    assert there == set(tables(place.database, "marts"))
    assert {"alerts", "account_clv", "churn_by_segment", "cohort_retention", "input_accounting"} <= there
    (run,) = place.rows("select rows_read, rows_quarantined from operations.refresh_runs")
    assert [run] == place.rows(
        "select sum(rows_read)::bigint as rows_read, sum(rows_quarantined)::bigint as rows_quarantined"
        " from input_accounting"
    )


# --- attributes as they were then ---


def test_changes_of_attributes_are_kept_so_that_segments_are_as_then(second: Place) -> None:
    told = regions_by_month(second)
    assert told[dt.date(2019, 3, 1)] == "north"
    assert told[dt.date(2019, 4, 1)] == "north", "on 1 April it was north; it was seen as south on 12 April"
    assert [region for _, region in recorded_history(second)][-1] == "south"


def test_the_history_grows_by_changes_alone(second: Place, tmp_path: Path) -> None:
    place = copied(second, tmp_path)
    before = recorded_history(place)
    place.refresh(6).ended(PUBLISHED)  # still south
    assert recorded_history(place) == before
    place.refresh(6).ended(PUBLISHED)  # the same day once more
    assert recorded_history(place) == before
    place.refresh(9).ended(PUBLISHED)  # north again
    assert recorded_history(place) == [*before, (as_of(9), "north")]
    told = regions_by_month(place)
    assert [told[dt.date(2019, month, 1)] for month in (3, 4, 5)] == ["north", "north", "south"]
    # another value on a day that has been seen already: one row per account and day
    place.refresh(9, attributes_of=10).ended(PUBLISHED)
    history = recorded_history(place)
    assert len({day for day, _ in history}) == len(history)
    at_rest(place)


def test_a_backdated_refresh_adds_nothing_to_the_history(second: Place, tmp_path: Path) -> None:
    place = copied(second, tmp_path)
    before = recorded_history(place)
    place.refresh(3, attributes_of=5).ended(PUBLISHED)  # north, and before day 4
    assert recorded_history(place) == before


def test_a_supplied_history_is_used_and_nothing_added(first: Place, tmp_path: Path) -> None:
    place = copied(first, tmp_path)
    before = recorded_history(place)
    place.refresh(4, history=True).ended(PUBLISHED)
    assert set(regions_by_month(place).values()) == {"supplied"}
    assert recorded_history(place) == before


# --- days that do not ---


def test_an_audit_refuses_a_base_that_has_halved(second: Place, tmp_path: Path) -> None:
    place = copied(second, tmp_path)
    before, history = place.image(), recorded_history(place)
    run = place.refresh(7, accounts=5).ended(REFUSED)  # and a02 is north again
    assert "account_months" in run.said
    assert re.search(r"\d", run.said)
    assert place.image() == before
    assert recorded_history(place) == history, "a refused run has seen nothing"
    (told,) = place.state("select * from refresh_runs order by started_at desc limit 1")
    assert (told["status"], told["exit_code"]) == ("refused", REFUSED)
    assert told["tests_failed"] > 0
    failed = place.state(f"select * from test_results where build_id = '{told['build_id']}' and status = 'fail'")
    assert failed
    assert all(row["message"] for row in failed)
    assert (place.published / "audits" / told["build_id"] / "index.html").exists()
    assert not place.state(f"select * from reported_kpis where build_id = '{told['build_id']}'")
    at_rest(place)
    # the next good day goes on from the last publish, and knows of the refusal
    place.refresh(8).ended(PUBLISHED)
    at_rest(place)
    said = place.rows("select status from operations.refresh_runs order by started_at")
    assert [row["status"] for row in said] == ["published", "published", "refused", "published"]


def change_line(path: Path, number: int, change: Callable[[str], str]) -> None:
    """Changes one line of a file, counted from 1."""
    lines = path.read_bytes().decode().split("\r\n")
    lines[number - 1] = change(lines[number - 1])
    path.write_bytes("\r\n".join(lines).encode())


def not_a_number(folder: Path) -> None:
    change_line(folder / "subscriptions.csv", 6, lambda line: line.replace(",10,EUR", ",ten,EUR"))


def not_a_date(folder: Path) -> None:
    change_line(folder / "accounts.csv", 3, lambda line: line.replace("2018-10-01", "2018-13-01"))


def too_few_fields(folder: Path) -> None:
    change_line(folder / "subscriptions.csv", 6, lambda line: line.split(",10,EUR")[0])


def unknown_column(folder: Path) -> None:
    change_line(folder / "accounts.csv", 1, lambda line: line.replace("region", "regoin"))


def broken_encoding(folder: Path) -> None:
    path = folder / "accounts.csv"
    path.write_bytes(path.read_bytes().replace(b"Name of a03", b"Name \xff\xfe a03"))


def unknown_value(folder: Path) -> None:
    change_line(folder / "accounts.csv", 4, lambda line: line.replace("b2b_contract", "b2b_contrct"))


def no_accounts(folder: Path) -> None:
    (folder / "accounts.csv").unlink()


def empty_file(folder: Path) -> None:
    (folder / "subscriptions.csv").write_bytes(b"")


def truncated_parquet(folder: Path) -> None:
    path = folder / "usage_daily"
    with duckdb.connect() as connection:
        connection.execute(f"copy (from read_csv('{path}.csv')) to '{path}.parquet'")
    path.with_suffix(".csv").unlink()
    whole_file = path.with_suffix(".parquet").read_bytes()
    path.with_suffix(".parquet").write_bytes(whole_file[: len(whole_file) // 2])


def two_formats(folder: Path) -> None:
    (folder / "accounts.json").write_text("[]")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        # the row of the data, or the line of the file, whose first line is the header's
        (not_a_number, [r"subscriptions\.csv", r"\bamount\b", r"\b(line 6|row 5)\b", r"\bten\b"]),
        (not_a_date, [r"accounts\.csv", r"\bacquired_on\b", r"\b(line 3|row 2)\b", r"2018-13-01"]),
        (unknown_value, [r"accounts\.csv", r"\bbusiness_model\b", r"\b(line 4|row 3)\b", r"b2b_contrct"]),
        (too_few_fields, [r"subscriptions\.csv", r"missing columns", r"\b(line 6|row 5)\b"]),
        (broken_encoding, [r"accounts\.csv", r"encoding", r"\b(line 4|row 3)\b"]),
        (unknown_column, [r"accounts\.csv", r"\bregoin\b"]),
        (no_accounts, [r"accounts", r"not supplied"]),
        (empty_file, [r"subscriptions\.csv"]),
        (truncated_parquet, [r"usage_daily\.parquet"]),
        (two_formats, [r"accounts\.(csv|json)"]),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)  # fmt: skip
def test_a_broken_input_is_named(
    spoil: Callable[[Path], None], said: list[str], first: Place, tmp_path: Path, workshop: Workshop
) -> None:
    place = copied(first, tmp_path)
    before = place.image()
    arguments = place.day(2)
    spoil(place.input)
    run = workshop.run(place, arguments).ended(INPUT)
    for pattern in said:
        assert re.search(pattern, run.said), f"{pattern} is not in: {run.said}"
    assert place.image() == before
    (told,) = place.state("select * from refresh_runs order by started_at desc limit 1")
    assert (told["status"], told["exit_code"]) == ("input_error", INPUT)
    assert told["reason"]
    # it is whole again, and so is the next run
    assert not [line for line in run.said.split() if line == "None"]


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--as-of", "2019-02-30"], {}, "2019-02-30"),
        (["--as-of", "yesterday"], {}, "yesterday"),
        (["--as-of", "2019-04-01", "--input", "nowhere/to/be/found"], {}, "nowhere/to/be/found"),
        (["--as-of", "2019-04-01", "--target", "mainframe"], {}, "mainframe"),
        (["--as-of", "2019-04-01", "--marts", "mrr_weekly"], {}, "mrr_weekly"),
        (["--as-of", "2019-04-01", "--vars", "{churn_recognition: never}"], {}, "churn_recognition"),
        (["--as-of", "2019-04-01", "--vars", "{no_such_var: 1"], {}, "vars"),
        (["--as-of", "2019-04-01"], {"BESTAND_PUBLISH_DIR": "/dev/null/published"}, "/dev/null"),
        (["--as-of", "2019-04-01"], {"BESTAND_PUBLISH_DIR": "{input}/accounts.csv"}, "accounts.csv"),
        (["--as-of", "2019-04-01"], {"BESTAND_DATABASE": "/dev/null/bestand.duckdb"}, "/dev/null"),
        (["--as-of", "2019-04-01"], {"BESTAND_DATABASE": "{input}/accounts.csv"}, "accounts.csv"),
        (["--as-of", "2019-04-01"], {"BESTAND_THREADS": "many"}, "BESTAND_THREADS"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_wrong_setting_is_named(
    arguments: list[str], environment: dict[str, str], said: str, first: Place, tmp_path: Path, workshop: Workshop
) -> None:
    place = copied(first, tmp_path)
    before = place.image()
    write_input(place.input, 2)
    accounts = (place.input / "accounts.csv").read_bytes()
    given = {name: value.format(input=place.input) for name, value in environment.items()}
    default = [] if "--input" in arguments else ["--input", str(place.input)]
    marts = [] if "--marts" in arguments else [word for mart in MARTS for word in ("--marts", mart)]
    run = workshop.run(place, ["refresh", *default, *marts, *arguments], environment=given).ended(INPUT)
    assert said in run.said
    assert place.image() == before
    assert (place.input / "accounts.csv").read_bytes() == accounts, "what is no database stays as it was"


def test_a_working_database_that_is_open_elsewhere_is_busy(first: Place, tmp_path: Path) -> None:
    place = copied(first, tmp_path)
    before = place.image()
    program = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(place.database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    run = place.refresh(2)
    holder.stdin.close()
    holder.wait(timeout=10)
    run.ended(BUSY)
    assert str(place.database) in run.said
    assert place.image() == before
    place.refresh(2).ended(PUBLISHED)
    at_rest(place)


@pytest.mark.parametrize("wait", [0.5, 4])
@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGINT], ids=lambda order: order.name)
def test_a_build_that_is_told_to_stop_has_failed(
    order: signal.Signals, wait: float, first: Place, tmp_path: Path
) -> None:
    place = copied(first, tmp_path)
    before = place.image()
    # started in the background of a shell, it would inherit that it is not to be interrupted
    running = place.start(*place.day(2), preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    wait_for_lock(place, running)
    time.sleep(wait)
    running.send_signal(order)
    out, err = running.communicate(timeout=60)
    Run(("refresh",), running.returncode, out, err, 0).ended(FAILED)
    assert place.image() == before
    (told,) = place.state("select * from refresh_runs order by started_at desc limit 1")
    assert (told["status"], told["exit_code"]) == ("interrupted", FAILED)
    assert told["reason"]
    place.refresh(2).ended(PUBLISHED)
    at_rest(place)


# --- one at a time ---


def wait_for_lock(place: Place, process: subprocess.Popen[str]) -> None:
    """Waits until a running refresh has said that it holds the lock."""
    lock = place.published / "state" / "refresh.lock"
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if lock.exists() and str(process.pid) in lock.read_text():
            return
        time.sleep(0.02)
    raise AssertionError(f"no lock of {process.pid}: {lock.read_text() if lock.exists() else 'no file'}")


def test_two_at_once_one_runs_and_the_other_says_busy(first: Place, tmp_path: Path) -> None:
    place = copied(first, tmp_path)
    arguments = place.day(4)
    running = place.start(*arguments)
    try:
        wait_for_lock(place, running)
        busy = place.run(*arguments).ended(BUSY)
        assert running.poll() is None, "the first was still at work"
        assert str(running.pid) in busy.said, "it says who"
        assert busy.seconds < 30, "at once, not after waiting"
        for command in (["publish"], ["rollback"]):
            assert place.run(*command).ended(BUSY)
        assert place.run("status").ended(0)
        assert running.poll() is None
    finally:
        out, err = running.communicate(timeout=180)
    assert running.returncode == PUBLISHED, out + err
    at_rest(place)
    assert [run["status"] for run in place.state("select status from refresh_runs")] == ["published", "published"]


def test_two_that_start_in_the_same_moment(first: Place, tmp_path: Path) -> None:
    place = copied(first, tmp_path)
    arguments = place.day(4)
    both = [place.start(*arguments) for _ in range(2)]
    ended = [(process.communicate(timeout=180), process.returncode) for process in both]
    assert sorted(code for _, code in ended) == [PUBLISHED, BUSY], ended
    at_rest(place)


@pytest.mark.parametrize("pid_is_used_again", [False, True])
def test_the_lock_of_a_killed_process_is_no_lock(pid_is_used_again: bool, first: Place, tmp_path: Path) -> None:
    place = copied(first, tmp_path)
    running = place.start(*place.day(4))
    wait_for_lock(place, running)
    time.sleep(1)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    lock = place.published / "state" / "refresh.lock"
    if pid_is_used_again:
        assert str(running.pid) in lock.read_text()
        lock.write_text(lock.read_text().replace(str(running.pid), str(os.getpid())))
    whole(place)
    place.refresh(4).ended(PUBLISHED)
    at_rest(place)
    statuses = [run["status"] for run in place.state("select status from refresh_runs order by started_at")]
    assert statuses == ["published", "interrupted", "published"]


# --- looking and going back ---


def test_status_before_and_after_the_first_publish(second: Place, tmp_path: Path) -> None:
    nothing = Place(tmp_path / "new").run("status")
    assert nothing.code != 99
    assert "Traceback" not in nothing.err
    assert "refresh" in nothing.said, "it says what to do"
    assert not (tmp_path / "new" / "published").exists(), "looking makes nothing"
    told = second.run("status").ended(0)
    for word in (second.build_id(), str(as_of(4))):
        assert word in told.said
    document = json.dumps(second.run("status", "--json").ended(0).json)
    for build in second.kept():
        assert build in document


def test_rollback_to_the_one_before_and_to_any(second: Place, tmp_path: Path) -> None:
    place = copied(second, tmp_path)
    one, two = place.kept()
    place.run("rollback").ended(0)
    assert place.build_id() == one
    whole(place, {one: 1, two: 4})
    assert current_parquet(place.published).parent.name == one
    place.run("rollback", two).ended(0)
    assert place.build_id() == two
    assert place.run("rollback", "20010101T000000Z-abcdef").ended(INPUT)
    assert place.build_id() == two
    place.run("rollback", one).ended(0)
    actions = place.state("select action from refresh_runs where status = 'published' order by started_at")
    assert [row["action"] for row in actions] == ["refresh", "refresh", "rollback", "rollback", "rollback"]
    # life goes on from there
    place.refresh(6).ended(PUBLISHED)
    at_rest(place)
    assert place.kept()[:2] == [one, two]
    assert len({row["build_id"] for row in place.state("select build_id from reported_kpis")}) == 3


def test_publish_and_audit_by_hand(second: Place, tmp_path: Path) -> None:
    place = copied(second, tmp_path)
    before = place.build_id()
    place.run("audit").ended(0)
    assert place.build_id() == before
    place.run("publish").ended(PUBLISHED)
    assert place.build_id() > before
    at_rest(place)
    for mart in MARTS:
        assert place.rows(f"from {mart} order by all") == second.rows(f"from {mart} order by all")


def test_only_so_many_publishes_are_kept(second: Place, tmp_path: Path, workshop: Workshop) -> None:
    place = copied(second, tmp_path)
    seen = place.kept()
    for _ in range(7):
        workshop.run(place, ["publish"]).ended(PUBLISHED)
        seen.append(place.build_id())
    assert place.kept() == seen[-7:]
    at_rest(place)
    workshop.run(place, ["rollback", seen[0]]).ended(INPUT)
    # the one that is published is kept, however old it is
    workshop.run(place, ["rollback", seen[-7]]).ended(0)
    workshop.run(place, ["publish"]).ended(PUBLISHED)
    at_rest(place)
