"""An erased account and an erased contact are found nowhere; what is counted stays as it was."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer
from bestand import erasure
from bestand.erasure import ErasureError, Places, commands
from bestand.erasure.rules import rules
from bestand.refresh import candidate, serving, steps
from bestand.refresh.layout import Layout
from erasure_world import (
    ACCOUNT,
    ACCOUNT_PEOPLE,
    ACCOUNT_TEXTS,
    ACCOUNT_WORDS,
    CONTACT,
    CONTACT_WORDS,
    FIRST,
    MERGED,
    OTHERS,
    World,
    forbidden,
    found_in,
    write_inputs,
)  # fmt: skip
from typer.testing import CliRunner

WORDS = [*ACCOUNT_WORDS, *ACCOUNT_PEOPLE, *ACCOUNT_TEXTS, *CONTACT_WORDS]

# What must not change, in every kept publish and after a new build: everything of mrr_monthly, the rates of all
# segments and cohorts, the sums of movements, what customers were worth, what retention cost.
TOTALS = {
    "mrr_monthly": "select * from marts.mrr_monthly order by all",
    "churn_by_segment": "select * from marts.churn_by_segment order by all",
    "cohort_retention": "select * from marts.cohort_retention order by all",
    "mrr_movements": (
        "select month_start, movement, currency, count(*), sum(mrr_change), sum(mrr_change_original)"
        " from marts.mrr_movements group by all"
        " order by all"
    ),
    "account_months": (
        "select month_start, movement, industry, company_size, plan, count(*), sum(mrr_start), sum(mrr_end)"
        " from marts.account_months group by all order by all"
    ),
    "account_clv": (
        "select relationship, is_active, count(*), sum(historic_revenue), sum(historic_refunds), sum(cost_to_serve),"
        " sum(retention_cost), sum(historic_clv), sum(mrr) from marts.account_clv group by all order by all"
    ),
    "retention_cost": "select * from marts.retention_cost order by all",
}


# Shared cost is allotted to the ten-thousandth, and the last one goes by key: under another key, to another customer.
SHARED_OUT = ("account_clv", "retention_cost")


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Built once, published twice, with a directory of names, pages of an audit, a log."""
    world = World(tmp_path_factory.mktemp("erasure") / "before")
    world.root.mkdir()
    write_inputs(world.inputs)
    report = world.refresh(FIRST)
    assert report.exit_code == 0, report.lines()
    world.publish()
    world.run("run", "--select", "accounts", "contacts", "contact_roles", "account_managers", "account_directory")
    with duckdb.connect(str(world.database), read_only=True) as connection:
        connection.execute(
            f"copy restricted.account_directory to '{world.layout.restricted}/account_directory.parquet'"
        )
    page = world.layout.audits / "20250701T000000Z-abcdef" / "index.html"
    page.parent.mkdir()
    page.write_text(f"<td>{ACCOUNT}</td>", encoding="utf-8")
    (page.parent / "other.html").write_text("<td>K-120</td>", encoding="utf-8")
    (world.root / "target" / "compiled.sql").write_text(f"-- {ACCOUNT}")
    (world.root / "logs" / "dbt.log.1").write_text(f"a row of Quastenflosser &amp; Söhne {CONTACT}\n")
    with duckdb.connect(str(world.layout.memory)) as connection:
        connection.execute(
            "insert into operations.test_results (build_id, test, message) values"
            " ('a', 'b', 'Row of K-12 with P-5, not of K-120'), ('a', 'c', 'Row of K-120')"
        )
    return world


@pytest.fixture(scope="module")
def after(before: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The same after both erasures; the account is named by the one merged into it."""
    world = before.copy(tmp_path_factory.mktemp("erasure") / "after")
    assert erasure.pending(world.database) == [("account", ACCOUNT), ("contact", CONTACT)]
    done = [erasure.erase("account", MERGED, world.places()), erasure.erase("contact", CONTACT, world.places())]
    assert (done[0].accounts, done[0].contacts, done[1].accounts, done[1].contacts) == (2, 2, 0, 1)
    assert [one.left for one in done] == [[], []]
    said = "\n".join(line for one in done for line in one.lines())
    assert not [word for word in forbidden() if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", said)]
    return world


@pytest.fixture(scope="module")
def rebuilt(after: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A new refresh on the rewritten inputs."""
    world = after.copy(tmp_path_factory.mktemp("erasure") / "rebuilt")
    report = world.refresh(FIRST, tuple(TOTALS))
    assert report.exit_code == 0, report.lines()
    return world


def test_the_scanner_finds_what_is_planted(before: World, tmp_path: Path) -> None:
    """In each kind of place, and K-1 is not taken for K-12."""
    world = before.copy(tmp_path / "planted")
    publish = world.layout.kept(world.layout.kept_builds()[0])
    planted: dict[str, str] = {}

    def plant(place: Path, how: Callable[[str], object]) -> None:
        word = f"Pflanze-{len(planted)}"
        how(f"a {word}.")
        planted[word] = str(place.relative_to(world.root))

    def in_database(path: Path, table: str) -> None:
        with duckdb.connect() as connection:
            connection.execute(f"attach '{path}' as looked")
            plant(path, lambda text: connection.execute(f"create table looked.{table} as select 1 as n, '{text}' as t"))

    def in_parquet(path: Path) -> None:
        plant(path, lambda text: duckdb.sql(f"select 1 as n, '{text}' as t").write_parquet(str(path)))

    in_database(world.database, "conformed.planted")
    in_database(world.layout.memory, "operations.planted")
    in_database(publish / "marts.duckdb", "planted")
    in_parquet(publish / "parquet" / "account_clv.parquet")
    in_parquet(world.layout.held / "account_history.parquet")
    in_parquet(world.layout.restricted / "account_directory.parquet")
    in_parquet(world.inputs / "usage_daily.parquet")
    for path in (
        world.inputs / "contacts.json", world.inputs / "accounts.csv", publish / "manifest.json",
        world.layout.audits / "planted" / "index.html", world.root / "target" / "run_results.json",
        world.root / "logs" / "dbt.log", world.layout.state / "anything",
    ):  # fmt: skip
        path.parent.mkdir(exist_ok=True)
        plant(path, path.write_text)
    found = found_in(world.root, planted)
    missed = {
        word: place for word, place in planted.items() if not any(one.startswith(place) for one in found.get(word, ()))
    }
    assert not missed
    assert not found_in(world.root, ["Pflanze", "flanze-1"])


def test_all_that_is_erased_was_there(before: World) -> None:
    found = found_in(before.root, forbidden())
    assert set(found) == set(forbidden())
    places = set().union(*found.values())
    for kind in (
        "bestand.duckdb: conformed.", "bestand.duckdb: intermediate.", "bestand.duckdb: marts.",
        "bestand.duckdb: restricted.", "bestand.duckdb: quarantine.", "published/state/state.duckdb",
        "published/state/held/", "published/publishes/", "published/marts.duckdb", "published/restricted/",
        "published/audits/", "inputs/", "logs/", "target/",
    ):  # fmt: skip
        assert any(place.startswith(kind) for place in places), kind


def test_nothing_of_it_is_found_anywhere(after: World, rebuilt: World) -> None:
    assert found_in(after.root, forbidden()) == {}
    assert found_in(rebuilt.root, forbidden()) == {}


def test_no_byte_of_it_is_left(before: World, after: World) -> None:
    """DuckDB keeps what was deleted in free blocks, and short texts uncompressed: the files are written anew."""
    wanted = [word.encode() for word in WORDS]

    def left(root: Path) -> set[bytes]:
        blobs = [path.read_bytes() for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
        return {word for word in wanted if any(word in blob for blob in blobs)}

    assert left(before.root) == set(wanted)
    assert left(after.root) == set()
    beside = [
        path.name
        for path in after.root.rglob("*")
        if re.search(r"\.(wal|tmp|spill|next)$|^\.erasing|^erasing", path.name)
    ]
    assert beside == []


def test_others_keep_their_rows(before: World, after: World) -> None:
    """Keys that begin alike are others': exactly the same places hold them as before."""
    removed = {"logs/dbt.log.1", "bestand.duckdb: quarantine.reader_rejects"}  # the line that was refused names both
    for one, places in found_in(before.root, OTHERS).items():
        still = found_in(after.root, [one]).get(one, set())
        # what increments start from is forgotten as a whole: the next build is a full one
        kept = {place for place in places - still - removed if ": operations.increment_" not in place}
        gone = {place for place in kept if not place.startswith("target/")}
        assert gone == set(), one
    comments = {row["comment"] for row in _csv(after.inputs / "cancellations.csv")}
    assert comments == {"", "Blumenkohl vertragen wir nicht"}


@pytest.mark.parametrize("mart", TOTALS)
def test_totals_stay(before: World, after: World, rebuilt: World, mart: str) -> None:
    expected = _rows(before.layout.current, TOTALS[mart])
    assert expected
    builds = after.layout.kept_builds()
    assert len(builds) == 2
    files = [after.layout.kept(one) / "marts.duckdb" for one in builds] + [after.layout.current, after.database]
    for file in files:
        assert _plain(_rows(file, TOTALS[mart])) == _plain(expected), file
    now = _rows(rebuilt.layout.current, TOTALS[mart])
    if mart in SHARED_OUT:
        for one, other in zip(now, expected, strict=True):
            assert one == tuple(_near(value) for value in other)
    else:
        assert _plain(now) == _plain(expected)


def test_the_erased_account_counts_under_another_key(before: World, after: World, rebuilt: World) -> None:
    (key,) = {row["account_id"] for row in _csv(after.inputs / "invoices.csv")} - {"K-1", "K-120"}
    assert re.fullmatch(r"erased-[0-9a-f]{16}", key)
    sql = "select sum(mrr_end) from marts.account_months where account_id = ?"
    then = _rows(before.layout.current, sql, ACCOUNT)
    assert then[0][0] > 0
    for file in (after.layout.current, after.database, rebuilt.layout.current):
        assert _rows(file, sql, key) == then


def test_usage_and_answers_of_an_erased_contact_still_count(before: World, after: World) -> None:
    """The contact is another one, but one: users, answers and tickets of the account are as many as before."""
    for table, column in (
        ("validated_usage_daily", "quantity"), ("validated_survey_responses", "score"),
        ("validated_support_tickets", "reopened_count"), ("validated_contact_roles", "valid_from::varchar::date"),
    ):  # fmt: skip
        owner = "contact_id in (select contact_id from conformed.validated_contacts where account_id = 'K-1')"
        sql = (
            f"select count(*), count(distinct contact_id), max({column}) from conformed.{table} where {owner}"
            " and disposition = 'accepted'"
        )
        assert _rows(after.database, sql) == _rows(before.database, sql)
        assert _rows(after.database, sql)[0][0] > 0


def test_behaviour_of_the_account_is_removed(after: World) -> None:
    (key,) = {row["account_id"] for row in _csv(after.inputs / "offers.csv")} - {"K-1"}
    for table in ("account_signals", "alerts", "health_contributions"):
        rows = _rows(after.layout.current, f"select account_id from marts.{table}")
        assert rows and (key,) not in rows
    for entity in ("usage_events", "messages", "survey_responses", "milestones"):
        assert not [row for row in _csv(after.inputs / f"{entity}.csv") if row["account_id"] in (key, ACCOUNT)]
    assert _rows(after.database, "select count(*) from restricted.account_directory where account_id = ?", key) == [
        (0,)
    ]


def test_references_follow(before: World, after: World) -> None:
    old, new = (_csv(world.inputs / "accounts.csv", ";") for world in (before, after))
    key = {one["account_id"]: other["account_id"] for one, other in zip(old, new, strict=True)}
    by_key = {row["account_id"]: row for row in new}
    assert by_key["K-3"]["parent_account_id"] == key[ACCOUNT] == by_key[key[MERGED]]["merged_into"]
    (subscription,) = {row[0] for row in _parquet(after, "subscriptions", "subscription_id", key[ACCOUNT])}
    invoices = [row for row in _csv(after.inputs / "invoices.csv") if row["account_id"] == key[ACCOUNT]]
    assert {row["subscription_id"] for row in invoices} == {subscription}
    assert len({row["invoice_id"] for row in invoices}) == 3
    ((cancelled,),) = _parquet(after, "subscriptions", "subscription_id", key[MERGED])
    assert cancelled in {row["subscription_id"] for row in _csv(after.inputs / "cancellations.csv")}
    contacts = json.loads((after.inputs / "contacts.json").read_text())
    person = {row["contact_id"] for row in contacts if row.get("full_name") is None}
    assert len(person) == 1 and re.fullmatch(r"erased-[0-9a-f]{16}", next(iter(person)))
    assert person == {row["contact_id"] for row in _csv(after.inputs / "messages.csv")}
    names = {row[0] for row in duckdb.sql(f"select contact_id from '{after.inputs}/contact_roles.parquet'").fetchall()}
    assert names == {"P-50", "P-55", *person}


def test_files_keep_their_form(before: World, after: World) -> None:
    accounts = (after.inputs / "accounts.csv").read_bytes().split(b"\r\n")
    old = (before.inputs / "accounts.csv").read_bytes().split(b"\r\n")
    assert len(accounts) == len(old) and accounts[0] == old[0] and accounts[-2:] == old[-2:]
    assert sum(one != other for one, other in zip(accounts, old, strict=True)) == 3  # the two, and the child
    lines = (after.inputs / "support_tickets.json").read_text().splitlines()
    assert lines[1] == (before.inputs / "support_tickets.json").read_text().splitlines()[3]
    assert '"contact_id": "P-55",\n  "account_id": "K-1"' in (after.inputs / "contacts.json").read_text()
    for name in ("subscriptions", "usage_daily", "contact_roles"):
        one, other = (f"'{world.inputs}/{name}.parquet'" for world in (before, after))
        for sql in ("describe select * from {}", "select distinct compression from parquet_metadata({})"):
            assert duckdb.sql(sql.format(one)).fetchall() == duckdb.sql(sql.format(other)).fetchall()
    day = f"select used_on, quantity from '{{}}/usage_daily.parquet' where account_id <> '{ACCOUNT}'"
    assert (
        duckdb.sql(day.format(before.inputs)).fetchall() == duckdb.sql(day.format(after.inputs)).fetchall()
    )  # in the same order


def test_publishes_stay_whole(before: World, after: World) -> None:
    layout = after.layout
    assert layout.kept_builds() == before.layout.kept_builds()
    _assert_whole(after)
    for build_id in layout.kept_builds():
        kept = layout.kept(build_id)
        comments = (
            "select table_name, column_name, comment from duckdb_columns() where schema_name = 'main' order by all"
        )
        assert _rows(kept / "marts.duckdb", comments) == _rows(before.layout.kept(build_id) / "marts.duckdb", comments)
        assert any(row[2] for row in _rows(kept / "marts.duckdb", comments))
        version = "select tags['storage_version'] from duckdb_databases() where database_name = 'marts'"
        assert "v1.5.0" in str(_rows(kept / "marts.duckdb", version))
    assert layout.current.samefile(layout.kept(layout.kept_builds()[0]) / "marts.duckdb")
    views = "select schema_name, view_name from duckdb_views() where not internal order by all"
    assert _rows(after.database, views) == _rows(before.database, views)
    assert _rows(after.database, "select count(*) from conformed.contacts")  # they can be read
    messages = "select message from operations.test_results where build_id = 'a' order by test"
    (first,), (second,) = _rows(layout.memory, messages)
    assert re.fullmatch(r"Row of erased-\w+ with erased-\w+, not of K-120", first) and second == "Row of K-120"


def test_the_keys_are_kept_nowhere(after: World) -> None:
    assert not after.places().journal.exists()
    assert stat.S_IMODE(after.places().salt.stat().st_mode) == 0o600
    assert stat.S_IMODE(after.places().erased.stat().st_mode) == 0o600
    hashes = duckdb.sql(f"select * from '{after.places().erased}'").fetchall()
    assert Counter(row[0] for row in hashes) == {"account": 2, "contact": 3}


def test_who_is_nowhere_is_an_error(after: World) -> None:
    with pytest.raises(ErasureError, match="There is no contact with this key"):
        erasure.erase("contact", "P-nobody", after.places())
    with pytest.raises(ErasureError, match=rf"This account was erased already, on {dt.datetime.now(dt.UTC):%Y}"):
        erasure.erase("account", ACCOUNT, after.places())
    with pytest.raises(ErasureError, match="expected account or contact"):
        erasure.erase("person", "P-1", after.places())


def test_who_comes_back_is_noticed(after: World, tmp_path: Path) -> None:
    world = after.small_copy(tmp_path / "back")
    assert erasure.returned_subjects(world.database, world.layout) == []
    assert erasure.pending(world.database) == []
    with duckdb.connect(str(world.database)) as connection:
        for table, columns in (
            ("support_tickets", f"'T-999', '{ACCOUNT}', 'P-50', 'quarantined'"),
            ("support_tickets", f"'T-998', 'K-1', '{CONTACT}', 'accepted'"),
        ):
            connection.execute(
                f"insert into conformed.validated_{table} (ticket_id, source_account_id, contact_id, disposition)"
                f" values ({columns})"
            )
    said = erasure.returned_subjects(world.database, world.layout)
    assert [one.split(". ")[0] for one in said] == [
        "support_tickets: the source still delivers 1 row of an erased account",
        "support_tickets: the source still delivers 1 row of an erased contact",
    ]
    assert ACCOUNT not in str(said) and CONTACT not in str(said)
    assert len(erasure.erase_pending(world.places())) == 2
    assert erasure.returned_subjects(world.database, world.layout) == []


def test_all_requests_at_once(before: World, after: World, tmp_path: Path) -> None:
    world = before.small_copy(tmp_path / "all")
    done = erasure.erase_pending(world.places())
    assert [(one.subject_kind, one.accounts) for one in done] == [("account", 2), ("contact", 0)]
    assert erasure.pending(world.database) == [] and erasure.erase_pending(world.places()) == []
    assert found_in(world.root, forbidden()) == {}
    # the same people under other keys: no key follows from what it stands for
    keys = [{row["contact_id"] for row in _csv(one.inputs / "consents.csv")} - {"P-55"} for one in (world, after)]
    assert keys[0] and keys[1] and keys[0].isdisjoint(keys[1])


KILLED = """
import os, re, signal, sys
from pathlib import Path
from bestand import erasure
from bestand.erasure import Places
from bestand.refresh import steps
from bestand.refresh.layout import Layout

root, doomed = Path(sys.argv[1]), sys.argv[2]
replace = Path.replace

def dying(one, target):
    if re.search(doomed, str(target)):
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(one, target)

Path.replace = dying
places = Places(Layout(root / "published"), root / "bestand.duckdb", root / "inputs", root / "target", root / "logs")
erasure.erase("account", "K-12", places)
"""


def test_killed_at_any_moment_it_is_finished_by_the_next(before: World, tmp_path: Path) -> None:
    """SIGKILL before ever later renames, each time in what the one before it has left.

    Before the manifest of a publish is the hardest: its files are new then, and it still speaks of the old ones.
    """
    world = before.small_copy(tmp_path / "killed")
    for doomed in (
        "erased.parquet$", "inputs/contacts.json$", "bestand.duckdb$", "parquet/alerts.parquet$",
        "parquet/manifest.json$", "publishes/[^/]+/manifest.json$", "published/marts.duckdb$", "nothing",
    ):  # fmt: skip
        command = [sys.executable, "-c", KILLED, str(world.root), doomed]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == (0 if doomed == "nothing" else -9), (doomed, ended.stderr)
        if doomed == "nothing":
            break
        assert erasure.unfinished(world.layout) is not None
        assert stat.S_IMODE(world.places().journal.stat().st_mode) == 0o600
        for file in (
            world.layout.current,
            *(world.layout.kept(one) / "marts.duckdb" for one in world.layout.kept_builds()),
        ):
            assert _rows(file, TOTALS["mrr_monthly"])  # readers see whole files
    assert erasure.unfinished(world.layout) is None and erasure.finish(world.layout) is None
    _assert_whole(world)
    erasure.erase("contact", CONTACT, world.places())
    assert found_in(world.root, forbidden()) == {}
    (key,) = {row["account_id"] for row in _csv(world.inputs / "invoices.csv")} - {"K-1", "K-120"}
    sql = "select count(*) from marts.account_months where account_id = ?"
    assert {_rows(world.layout.kept(one) / "marts.duckdb", sql, key)[0][0] for one in world.layout.kept_builds()} == {
        13
    }
    assert not list(world.root.rglob("*erasing*"))


def test_an_interrupted_erasure_is_finished_before_another(before: World, tmp_path: Path) -> None:
    world = before.small_copy(tmp_path / "interrupted")

    def stop(step: str) -> None:
        if step.startswith("erasing in publish"):
            raise KeyboardInterrupt

    forget = steps.listen(stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            erasure.erase("account", ACCOUNT, world.places())
    finally:
        forget()
    assert erasure.unfinished(world.layout) is not None
    erasure.erase("contact", CONTACT, world.places())
    assert found_in(world.root, forbidden()) == {}


# --- inputs alone: keys of every form ---


def _alone(tmp_path: Path) -> Places:
    folder = tmp_path / "inputs"
    folder.mkdir(exist_ok=True)
    layout = Layout(tmp_path / "published")
    layout.prepare()
    return Places(layout, tmp_path / "none.duckdb", folder, tmp_path / "target", tmp_path / "logs")


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    """Keys that are numbers are replaced by numbers, and only where they are keys."""
    places = _alone(tmp_path)
    duckdb.sql(
        "select unnest([12, 1, 120])::integer as account_id, 'A' as account_name, 12::smallint as employee_count"
    ).write_parquet(str(tmp_path / "inputs" / "accounts.parquet"))
    (tmp_path / "inputs" / "orders.json").write_text(
        '[{"order_id": 12, "account_id": 1, "amount": 12.10},\n'
        ' {"order_id": 7, "account_id": 12, "amount": 12.00, "note": "x"}]'
    )
    (tmp_path / "inputs" / "survey_responses.csv").write_text(
        "response_id,account_id,score\n12,1,12\n3,12,1\n4, 12 ,1\n"
    )
    erasure.erase("account", "12", places)
    rows = duckdb.sql(f"select * from '{tmp_path}/inputs/accounts.parquet'").fetchall()
    assert [row[1:] for row in rows] == [(None, 12), ("A", 12), ("A", 12)] and [row[0] for row in rows][1:] == [1, 120]
    new = rows[0][0]
    assert new != 12 and isinstance(new, int)
    text = (tmp_path / "inputs" / "orders.json").read_text()
    assert text.startswith('[{"order_id": 12, "account_id": 1, "amount": 12.10},\n {"order_id": ')
    second = json.loads(text, parse_float=Decimal)[1]
    # the amount as it was written, the key a number, and a column nobody described empty
    assert second["account_id"] == new and second["order_id"] not in (7, 12) and second["note"] is None
    assert '"amount": 12.00' in text
    assert (tmp_path / "inputs" / "survey_responses.csv").read_text() == "response_id,account_id,score\n12,1,12\n"


def test_uuids_stay_uuids(tmp_path: Path) -> None:
    places = _alone(tmp_path)
    key = "6f1c7c1e-2f63-4b0c-9f4f-0b5f3a6a1d11"
    path = tmp_path / "inputs" / "accounts.parquet"
    duckdb.sql(f"select unnest(['{key}', '{key[:-1]}2'])::uuid as account_id").write_parquet(str(path))
    erasure.erase("account", key, places)
    (first,), (second,) = duckdb.sql(f"select account_id from '{path}'").fetchall()
    assert str(second) == f"{key[:-1]}2" and str(first) != key


def test_keys_that_are_words_are_no_words_elsewhere(tmp_path: Path) -> None:
    places = _alone(tmp_path)
    rows = [("energy", "energy", "energy"), ("other", "energy", "energy")]
    _write(tmp_path / "inputs" / "accounts.csv", ["account_id", "industry", "region"], rows)
    rows = [("1", "other", "energy consumption is too high"), ("2", "energy", "said in confidence")]
    _write(tmp_path / "inputs" / "cancellations.csv", ["cancellation_id", "account_id", "comment"], rows)
    places.target.mkdir()
    (places.target / "model.sql").write_text("select energy")
    erasure.erase("account", "energy", places)
    first, second = _csv(tmp_path / "inputs" / "accounts.csv")
    assert first["account_id"].startswith("erased-") and (first["industry"], first["region"]) == ("energy", "energy")
    assert list(second.values()) == ["other", "energy", "energy"]
    texts = [row["comment"] for row in _csv(tmp_path / "inputs" / "cancellations.csv")]
    assert texts == ["energy consumption is too high", ""]
    assert (places.target / "model.sql").exists()


def test_lines_that_cannot_be_read(tmp_path: Path) -> None:
    """A quote never closed, bytes that are no UTF-8, too many fields: what names the subject goes, the rest stays."""
    places = _alone(tmp_path)
    (tmp_path / "inputs" / "accounts.csv").write_text("account_id\nA-1\nA-12\n")
    path = tmp_path / "inputs" / "contacts.csv"
    path.write_bytes(
        b'contact_id,account_id,full_name\nC-1,A-12,"Fritz"\nC-2,A-1,M\xfcller\nC-3,A-1,Anna Keller\n'
        b"C-3,A-1,Anna Keller,x\n"
        b'C-4,A-1,"never closed\nC-3,A-1,Anna Keller\nC-5,A-12,"a ""quoted"" name"\n'
    )
    erasure.erase("contact", "C-3", places)
    lines = path.read_bytes().split(b"\n")
    assert lines[1:3] == [b'C-1,A-12,"Fritz"', b"C-2,A-1,M\xfcller"]
    assert re.fullmatch(rb"erased-\w+,A-1,", lines[3]) and lines[4] == b'C-4,A-1,"never closed'
    assert re.fullmatch(rb"erased-\w+,A-1,", lines[5]) and lines[6] == b'C-5,A-12,"a ""quoted"" name"'
    assert b"Anna" not in path.read_bytes()


def test_a_contact_who_moved_stays_with_the_other_account(tmp_path: Path) -> None:
    places = _alone(tmp_path)
    _write(tmp_path / "inputs" / "accounts.csv", ["account_id"], [("A-1",), ("A-2",)])
    rows = [("C-1", "A-1", "Anna Keller"), ("C-1", "A-2", "Anna Keller"), ("C-2", "A-1", "Bert Keller")]
    _write(tmp_path / "inputs" / "contacts.csv", ["contact_id", "account_id", "full_name"], rows)
    _write(tmp_path / "inputs" / "contact_roles.csv", ["contact_id", "role"], [("C-1", "user"), ("C-2", "user")])
    erasure.erase("account", "A-1", places)
    assert [list(row.values()) for row in _csv(tmp_path / "inputs" / "contacts.csv")] == [["C-1", "A-2", "Anna Keller"]]
    assert [list(row.values()) for row in _csv(tmp_path / "inputs" / "contact_roles.csv")] == [["C-1", "user"]]


def test_namesakes(tmp_path: Path) -> None:
    """Where the customer is a person his account bears his name; another person of the same name keeps it."""
    places = _alone(tmp_path)
    rows = [("A-1", "Anna Keller"), ("A-2", "Anna Keller"), ("", "Anna Keller"), ("", "Anna Kellermann")]
    _write(tmp_path / "inputs" / "accounts.csv", ["account_id", "account_name"], rows)
    rows = [("C-1", "A-1", "Anna Keller"), ("C-2", "A-2", "Anna Keller")]
    _write(tmp_path / "inputs" / "contacts.csv", ["contact_id", "account_id", "full_name"], rows)
    with duckdb.connect(str(places.database)) as connection:
        for entity in ("accounts", "contacts"):
            path = tmp_path / "inputs" / f"{entity}.csv"
            connection.execute(f"create table validated_{entity} as from read_csv('{path}', all_varchar = true)")
    assert erasure.erase("contact", "C-1", places).left == []
    kept = [("A-1", ""), ("A-2", "Anna Keller"), ("", ""), ("", "Anna Kellermann")]
    assert [tuple(row.values()) for row in _csv(tmp_path / "inputs" / "accounts.csv")] == kept
    assert [row["full_name"] for row in _csv(tmp_path / "inputs" / "contacts.csv")] == ["", "Anna Keller"]
    names = _rows(places.database, "select account_name from validated_accounts")
    assert names == [(None,), ("Anna Keller",), (None,), ("Anna Kellermann",)]


def test_other_files_in_the_folder_are_told_of(tmp_path: Path) -> None:
    places = _alone(tmp_path)
    (tmp_path / "inputs" / "accounts.csv").write_text("account_id,account_name\nA-1,Gruber Metallbau\n")
    (tmp_path / "inputs" / "old accounts.txt").write_text("A-1 was Gruber Metallbau")
    done = erasure.erase("account", "A-1", places)
    assert done.left == ["inputs/old accounts.txt (no build reads this file; remove it or what it says of the subject)"]
    (tmp_path / "inputs" / "contacts.json").write_text('[{"contact_id": "C-1", "account_id"')
    with pytest.raises(ErasureError, match=r"contacts\.json.*no valid JSON"):
        erasure.erase("contact", "C-1", places)


def test_every_entity_with_a_customer_says_what_becomes_of_it() -> None:
    found = rules()
    for entity, spec in found.contract.items():
        names_customer = any(found.kind(name) in ("account", "contact", "alert") for name in spec["columns"])
        assert (spec.get("erasure") in ("keep", "remove")) == (names_customer or entity == "erasure_requests"), entity
        assert spec.get("erasure") == "keep" or "amount" not in spec["columns"] or not names_customer, entity


def test_every_column_with_a_key_is_known(demo: Any) -> None:
    """A column of the demo whose values are keys of accounts or contacts is one that an erasure replaces."""
    found = rules()
    with demo.connect() as connection:
        keys = {
            kind: f"(select {kind}_id from seeds.demo_{kind}s where {kind}_id is not null)"
            for kind in ("account", "contact")
        }
        columns = connection.execute(
            "select schema_name, table_name, column_name from duckdb_columns() where data_type = 'VARCHAR'"
            " and not internal and schema_name <> 'seeds' and (schema_name, table_name) in"
            " (select (schema_name, table_name) from duckdb_tables())"
        ).fetchall()
        for schema, table, column in columns:
            if table.startswith("increment_"):
                continue  # forgotten as a whole
            for kind, ids in keys.items():
                values = f'select distinct "{column}" as one from {schema}."{table}"'
                (count,) = connection.execute(f"select count(*) from ({values}) where one in {ids}").fetchone()
                if count:
                    assert found.kind(column) == kind or column == "subject_id", f"{schema}.{table}.{column}"


# --- the command ---


def _bestand(world: World, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    for name, value in world.environment().items():
        monkeypatch.setenv(name, value)
    app = typer.Typer()
    app.callback()(lambda: None)
    commands.register(app)
    return CliRunner().invoke(app, ["erase", *arguments])


def test_the_command(before: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = before.small_copy(tmp_path / "command")
    refused = _bestand(world, monkeypatch, "contact", CONTACT)
    assert refused.exit_code == 2 and "The customers of the demo are made up" in refused.output
    refused = _bestand(world, monkeypatch, "contact", "--input", str(world.inputs))
    assert refused.exit_code == 2 and "Say who is to be erased" in refused.output
    refused = _bestand(world, monkeypatch, "contact", "P-nobody", "--input", str(world.inputs))
    assert refused.exit_code == 2 and "There is no contact with this key" in refused.output
    served: list[tuple[Path, str]] = []
    monkeypatch.setattr(serving, "to_postgres", lambda file, build_id: served.append((file, build_id)))
    done = _bestand(world, monkeypatch, "--pending", "--input", str(world.inputs))
    assert done.exit_code == 0, done.output
    assert served == [(world.layout.current, world.layout.kept_builds()[0])]
    assert "Erased 2 accounts and 2 contacts" in done.output and "inputs/contacts.json: 2 removed" in done.output
    assert found_in(world.root, forbidden()) == {}
    runs = _rows(
        world.layout.memory, "select action, status, exit_code from operations.refresh_runs where action = 'erase'"
    )
    assert sorted(runs) == [("erase", "input_error", 2), ("erase", "published", 0)]
    nobody = _bestand(world, monkeypatch, "--pending", "--source", "schema", "--vars", "{crm_schema: crm}")
    assert nobody.exit_code == 0 and "The data in crm are the source's own" in nobody.output


def test_tables_of_a_schema_in_the_same_file_are_rewritten(tmp_path: Path) -> None:
    """crm_source schema: what lies in the working database is erased there; what lies elsewhere is the source's."""
    places = _alone(tmp_path)
    places = Places(places.layout, tmp_path / "bestand.duckdb", None, places.target, places.logs)
    with duckdb.connect(str(places.database)) as connection:
        connection.execute(
            "create schema crm; create table crm.accounts as select 7 as account_id, 'Gruber' as account_name;"
            " create table crm.support_tickets as select 't' as ticket_id, 7 as account_id"
        )
    erasure.erase("account", "7", places)
    ((account, name),) = _rows(places.database, "select * from crm.accounts")
    assert account != 7 and name is None
    assert _rows(places.database, "select * from crm.support_tickets") == []


# --- helpers ---


def _assert_whole(world: World) -> None:
    """Every kept publish is what its manifests and its own tables say of it; the current file is the newest."""
    layout = world.layout
    for build_id in layout.kept_builds():
        kept = layout.kept(build_id)
        manifest = json.loads((kept / "manifest.json").read_text())
        assert json.loads((kept / "parquet" / "manifest.json").read_text()) == manifest
        for one in manifest["files"]:
            assert candidate.sha256(kept / one["path"]) == one["sha256"]
        for table in manifest["tables"]:
            name = f"marts.{table['schema_name']}.{table['table_name']}"
            sql = f"select count(*), {candidate.CHECKSUM} from {name} as one"
            assert _rows(kept / "marts.duckdb", sql) == [(table["row_count"], table["checksum"])]
    assert layout.current.samefile(layout.kept(layout.kept_builds()[0]) / "marts.duckdb")


def _published(world: World) -> list[Path]:
    return [world.layout.kept(one) / "marts.duckdb" for one in world.layout.kept_builds()]


def _rows(file: Path, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        # as a reader has it: the file marts.duckdb is the catalog marts
        connection.execute(f"attach '{file}' as {_catalog(file)} (read_only)")
        connection.execute(f"use {_catalog(file)}")
        return connection.execute(sql, list(parameters)).fetchall()


def _catalog(file: Path) -> str:
    return "marts" if file.name == "marts.duckdb" else "looked"


def _plain(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Sums of doubles depend on the order of rows in their last digits."""
    return [tuple(round(value, 9) if isinstance(value, float) else value for value in row) for row in rows]


def _near(value: Any) -> Any:
    if isinstance(value, Decimal):
        return pytest.approx(value, rel=Decimal("0.000001"), abs=Decimal("0.001"))
    return pytest.approx(value, rel=1e-6) if isinstance(value, float) else value


def _csv(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file, delimiter=delimiter) if None not in row]


def _parquet(world: World, entity: str, column: str, account: str) -> list[tuple[Any, ...]]:
    return duckdb.sql(
        f"select {column} from '{world.inputs}/{entity}.parquet' where account_id = '{account}'"
    ).fetchall()


def _write(path: Path, names: list[str], rows: list[tuple[str, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([names, *rows])
