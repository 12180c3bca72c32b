"""Refreshes that are killed, that run out of space, that may not write; and readers who poll through all publishes.

`make test` kills at 20 random moments, `make torture` at 200 (BESTAND_TORTURE_KILLS).
"""

from __future__ import annotations

import functools
import json
import os
import random
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
from postgres_server import Postgres, postgres  # noqa: F401
from project import ROOT
from refresh_support import (
    FAILED,
    INPUT,
    PUBLISHED,
    NoRoom,
    Place,
    Room,
    Run,
    Victim,
    Workshop,
    as_of,
    at_rest,
    obey_modes,
    recorded_history,
    region,
    small_files,
    whole,
)

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("BESTAND_TORTURE_KILLS", "20"))
EVERYTHING = KILLS > 20
SEED = int(os.environ.get("BESTAND_TORTURE_SEED", "20261122"))
DUCKDB15 = ROOT / ".cache" / "duckdb-1.5"
CHAINS = 2  # places tortured beside each other, one per core


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    made = Victim(tmp_path / "place")
    yield made
    made.close()


def lived_through(victim: Victim) -> None:
    """In the end every day has been published, kills or not: the history has each change of attributes once."""
    assert not victim.faults, "\n".join(victim.faults)
    assert recorded_history(victim.place) == [(as_of(day), region(day)) for day in range(1, victim.day + 1)]


# --- killed at any moment ---


def torment(root: Path, moments: list[float], chance: random.Random) -> Victim:
    """Kills a refresh a day at these moments (shares of the time a refresh takes), each followed by one that succeeds.

    One in four recoveries is killed as well, and has to be recovered from.
    """
    victim = Victim(root)
    try:
        victim.dawn()
        victim.dawn()
        takes = victim.recoveries[-1]
        for number, share in enumerate(moments):
            victim.day += 1
            victim.killed(f"kill {number} at {share * takes:.2f} s of {takes:.2f}", after=share * takes)
            if chance.random() < 0.25:
                again = chance.random()
                victim.killed(f"kill {number}, and its recovery at {again * takes:.2f} s", after=again * takes)
            victim.live()
            # as the machine gets busier or idler, so do the moments spread
            takes = sum(victim.recoveries[-3:]) / len(victim.recoveries[-3:])
    finally:
        victim.close()
    return victim


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """Twenty moments, spread over the whole duration: one in each twentieth, drawn at random within it."""
    chance = random.Random(SEED)
    moments = [(number + chance.random()) / KILLS for number in range(KILLS)]
    chance.shuffle(moments)
    with ThreadPoolExecutor(CHAINS) as pool:
        chains = [
            pool.submit(torment, tmp_path / str(number), moments[number::CHAINS], random.Random(SEED + number))
            for number in range(CHAINS)
        ]
        for chain in chains:
            lived_through(chain.result())


# --- killed at every named step ---


def named_steps(path: Path) -> list[str]:
    return [json.loads(line)[0] for line in path.read_text(encoding="utf-8").splitlines()]


def test_killed_at_every_step_of_a_refresh(victim: Victim, tmp_path: Path) -> None:
    """The steps are those that a refresh names itself, in a run that is not killed."""
    victim.dawn()
    victim.day += 1
    victim.live("--keep", "2", steps=tmp_path / "steps")
    victim.day += 1
    (tmp_path / "steps").unlink()
    victim.live("--keep", "2", steps=tmp_path / "steps")
    steps = named_steps(tmp_path / "steps")
    for word in ("lock", "build", "verify", "keeping", "swapping marts.duckdb", "swapping parquet", "remember", "old"):
        assert any(word in step for step in steps), f"no step tells of {word}: {steps}"
    (tmp_path / "steps").unlink()
    victim.live("--keep", "2", command=["publish"], steps=tmp_path / "steps")
    shared = set(named_steps(tmp_path / "steps"))
    for number, step in enumerate(steps, start=1):
        # steps of the publish have a test of their own, which needs no build; make torture does all of them here too
        if not EVERYTHING and step in shared and number < steps.index("keeping"):
            continue
        victim.day += 1
        if not victim.killed(f"step {number}, {step}", "--keep", "2", at_step=number):
            victim.faults.append(f"step {number}, {step}: was not reached on another day")
        victim.live("--keep", "2")
    lived_through(victim)


@pytest.mark.torture
@pytest.mark.parametrize("command", ["publish", "rollback"])
def test_killed_at_every_step_of_a_publish_and_a_rollback(command: str, victim: Victim, tmp_path: Path) -> None:
    for _ in range(3):
        victim.dawn()
    recovery = ["publish", "--keep", "4"]
    steps = tmp_path / "steps"
    order = recovery if command == "publish" else ["rollback", victim.place.kept()[-2]]
    victim.workshop.run(victim.place, order, steps=steps).ended(0)
    names = named_steps(steps)
    assert len(names) >= 3, names
    for number, step in enumerate(names, start=1):
        if command == "rollback":
            order = ["rollback", victim.place.kept()[-2]]
        assert victim.killed_back(f"{command}, step {number}, {step}", order, at_step=number)
        victim.live(command=recovery)
    victim.day += 1
    victim.live()
    assert not victim.faults, "\n".join(victim.faults)


@pytest.mark.torture
def test_killed_at_the_very_first_publish(tmp_path: Path, victim: Victim) -> None:
    """Nothing is published yet: there is either nothing or all of it, and the next refresh publishes."""
    other = Victim(tmp_path / "other")
    try:
        other.day = 1
        other.live(steps=tmp_path / "steps")
    finally:
        other.close()
    steps = named_steps(tmp_path / "steps")
    late = [number for number, step in enumerate(steps, start=1) if "swapping" in step or "keeping" in step]
    for number in [1, *late, len(steps)]:
        place = Place(tmp_path / f"first{number}")
        victim.place, victim.day, victim.known = place, 1, {}
        assert victim.killed(f"first publish, step {number}, {steps[number - 1]}", at_step=number)
        victim.live()
    assert not victim.faults, "\n".join(victim.faults)


# --- no space, no permission ---


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Callable[[int], Room | None]]:
    """Makes a file system of so many megabytes; None where the machine allows no mount at all."""
    made: list[Room] = []

    def make(megabytes: int) -> Room | None:
        try:
            made.append(Room(tmp_path / f"room{len(made)}", megabytes))
        except NoRoom:
            return None
        return made[-1]

    yield make
    for each in made:
        each.close()


def refused(run: Run, folder: Path) -> None:
    """It said in a sentence which folder it was about, and what to do is left to the reader's disk."""
    assert run.code in (FAILED, INPUT), f"{run.code}: {run.said}"
    assert "Traceback" not in run.err
    assert str(folder) in run.said, run.said


@pytest.mark.torture
def test_no_space_for_the_publish(tmp_path: Path, room: Callable[[int], Room | None]) -> None:
    """At every level of filling the old marts stay whole, nothing stays that takes space, and it goes on afterwards."""
    own = room(128)
    place = Place(tmp_path / "place", published_in=own)
    place.refresh(1).ended(PUBLISHED)
    known = {place.build_id(): 1}
    size = place.marts.stat().st_blocks * 512  # what it takes of the disk: DuckDB leaves holes
    image = place.image()
    if own is None:
        # no mounts here: files that may not grow fail in the same places
        for share in (0.02, 0.3, 0.9):
            run = place.refresh(2, preexec_fn=functools.partial(small_files, int(share * size)))
            refused(run, place.publish_dir)
            assert place.image() == image
    else:
        for share in (0.0, 0.02, 0.3, 0.6, 0.9):
            own.fill(leave=int(share * size))
            free = own.free
            run = place.run("publish") if share not in (0.0, 0.6) else place.refresh(2)
            refused(run, place.publish_dir)
            assert place.image() == image, f"{share}"
            whole(place, known)
            # its records may have grown; what it was writing may not stay
            assert own.free > free - 0.3 * size, f"{free - own.free} bytes are lost at {share}"
        own.empty()
    place.refresh(2).ended(PUBLISHED)
    known[place.build_id()] = 2
    at_rest(place, known)


@pytest.mark.torture
def test_no_space_for_the_working_database(tmp_path: Path, room: Callable[[int], Room | None]) -> None:
    own = room(64)
    place = Place(tmp_path / "place", database_in=own)
    place.refresh(1).ended(PUBLISHED)
    known = {place.build_id(): 1}
    image = place.image()
    for leave in (0, 300_000):
        if own is None:
            run = place.refresh(2, preexec_fn=functools.partial(small_files, leave + 4096))
        else:
            own.fill(leave=leave)
            run = place.refresh(2, "--full")
        refused(run, place.database.parent)
        assert place.image() == image
        whole(place, known)
    if own is not None:
        own.empty()
    place.refresh(2).ended(PUBLISHED)
    known[place.build_id()] = 2
    at_rest(place, known)


@pytest.mark.torture
def test_files_that_may_not_grow(tmp_path: Path) -> None:
    """Another end of space, which needs no privilege at all: the operating system cuts every file off."""
    place = Place(tmp_path / "place")
    place.refresh(1).ended(PUBLISHED)
    known = {place.build_id(): 1}
    image = place.image()
    sizes = [place.marts.stat().st_size, place.database.stat().st_size]
    for limit in (1000, min(sizes) // 2, (sizes[0] + max(sizes)) // 2):
        run = place.refresh(2, preexec_fn=functools.partial(small_files, limit))
        if run.code != PUBLISHED:
            assert run.code in (FAILED, INPUT), run.said
            assert "Traceback" not in run.err
            assert place.image() == image
            whole(place, known)
        else:
            known[place.build_id()] = 2
            image = place.image()
    place.refresh(3).ended(PUBLISHED)
    known[place.build_id()] = 3
    at_rest(place, known)


@pytest.mark.torture
@pytest.mark.parametrize("which", ["publish folder", "working database"])
def test_a_read_only_file_system(which: str, tmp_path: Path, room: Callable[[int], Room | None]) -> None:
    own = room(128)
    inner = own if which == "publish folder" else None
    place = Place(tmp_path / "place", published_in=inner, database_in=None if inner else own)
    folder = place.publish_dir if which == "publish folder" else place.database.parent
    place.refresh(1).ended(PUBLISHED)
    known = {place.build_id(): 1}
    image = place.image()
    if own is None:
        closed = closed_folders(place.published if which == "publish folder" else place.database.parent)
        run = place.refresh(2, preexec_fn=obey_modes)
        open_again(closed)
    else:
        own.remount("ro")
        run = place.refresh(2)
        assert place.run("status").ended(0), "looking is not writing"
        own.remount("rw")
    refused(run, folder)
    assert place.image() == image
    whole(place, known)
    place.refresh(2).ended(PUBLISHED)
    known[place.build_id()] = 2
    at_rest(place, known)


def closed_folders(folder: Path) -> dict[Path, int]:
    """Takes the right to write from a folder and everything in it; returns the modes they had."""
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in (folder, *folder.rglob("*")) if not path.is_symlink()}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    return modes


def open_again(modes: dict[Path, int]) -> None:
    for path, mode in modes.items():
        path.chmod(mode)


@pytest.mark.torture
@pytest.mark.parametrize("which", ["publish folder", "publishes", "parquet", "state", "working database"])
def test_a_folder_that_may_not_be_written(which: str, tmp_path: Path) -> None:
    """By its modes, which count for root too here."""
    place = Place(tmp_path / "place")
    place.refresh(1).ended(PUBLISHED)
    known = {place.build_id(): 1}
    image = place.image()
    folders = {"publish folder": place.published, "working database": place.database.parent}
    folder = folders.get(which, place.published / which)
    closed = closed_folders(folder)
    try:
        run = place.refresh(2, preexec_fn=obey_modes)
        refused(run, folder if which in folders else place.published)
        assert place.image() == image
    finally:
        open_again(closed)
    whole(place, known)
    place.refresh(2).ended(PUBLISHED)
    known[place.build_id()] = 2
    at_rest(place, known)


# --- readers ---

PUBLISHES = 50
READERS = ("duckdb", "duckdb", "duckdb 1.5", "duckdb 1.5", "parquet", "parquet", "postgres", "psql")


def start_reader(kind: str, place: Place, server: Postgres, url: str, log: Path) -> subprocess.Popen[str]:
    """A process that polls what is published until its input ends."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BESTAND_")}
    environment["PYTHONPATH"] = str(DUCKDB15) if kind == "duckdb 1.5" else ""
    where = url if kind in ("postgres", "psql") else str(place.published)
    program = [sys.executable, str(ROOT / "tests" / "torture" / "reader.py")]
    with log.open("w") as out:
        return subprocess.Popen(
            [*program, kind.split()[0], where, str(server.programs / "psql")],
            stdin=subprocess.PIPE, stdout=out, env=environment, text=True,
        )  # fmt: skip


def tell_day(place: Place, day: int) -> None:
    """Makes the working database what a build of that day would have made it, without the build."""
    with duckdb.connect(str(place.database)) as connection:
        (before,) = connection.execute("select max(mrr_end) from marts.mrr_monthly").fetchall()[0]
        more = 1130 + day - int(before)
        connection.execute(
            f"""
            update marts.mrr_monthly set
                mrr_end = mrr_end + {more},
                arr_end = (mrr_end + {more}) * 12,
                arpa_end = (mrr_end + {more}) / customers_end,
                mrr_new = mrr_new + case when mrr_start = 0 then {more} else 0 end,
                mrr_start = mrr_start + case when mrr_start > 0 then {more} else 0 end,
                mrr_retained_net = mrr_retained_net + case when mrr_start > 0 then {more} else 0 end,
                mrr_retained_gross = mrr_retained_gross + case when mrr_start > 0 then {more} else 0 end
            """
        )
        connection.execute(
            f"""
            update marts.account_months set
                mrr_end = mrr_end + {more},
                mrr_commercial_change = mrr_commercial_change + case when mrr_start = 0 then {more} else 0 end,
                mrr_start = mrr_start + case when mrr_start > 0 then {more} else 0 end
            where account_id = 'marker'
            """
        )


def test_readers_poll_through_fifty_publishes(tmp_path: Path, postgres: Postgres) -> None:  # noqa: F811
    """No error, no two builds in one poll, nothing that was not published, and nobody is taken back in time."""
    assert DUCKDB15.is_dir(), "DuckDB 1.5 is missing: make test installs it (make .cache/duckdb-1.5/.installed)"
    place = Place(tmp_path / "place")
    url = postgres.url(postgres.database())
    place.settings["BESTAND_POSTGRES_URL"] = url
    place.refresh(1).ended(PUBLISHED)
    published = {place.build_id(): 1}
    workshop = Workshop()
    logs = [tmp_path / f"reader{number}.jsonl" for number in range(len(READERS))]
    readers = [start_reader(kind, place, postgres, url, log) for kind, log in zip(READERS, logs, strict=True)]
    try:
        for day in range(2, PUBLISHES + 1):
            tell_day(place, day)
            workshop.run(place, ["publish"]).ended(PUBLISHED)
            published[place.build_id()] = day
        time.sleep(1)
        assert all(reader.poll() is None for reader in readers)
    finally:
        workshop.close()
        for reader in readers:
            assert reader.stdin is not None
            reader.stdin.close()
        for reader in readers:
            reader.wait(timeout=30)
    assert len(published) == PUBLISHES
    assert sorted(published, key=lambda build: published[build]) == sorted(published)
    faults = []
    for kind, log in zip(READERS, logs, strict=True):
        polls = [json.loads(line) for line in log.read_text().splitlines()]
        seen = []
        for poll in polls:
            if "error" in poll:
                faults.append(f"{kind}: {poll['error']}")
                continue
            days = {poll[name] for name in ("day_least", "day_most", "marker_least", "marker_most")}
            if days != {published.get(poll["build"])} or poll["manifests"] != 1:
                faults.append(f"{kind}: mixed or unknown: {poll}")
            seen.append(poll["build"])
        if seen != sorted(seen):
            faults.append(f"{kind}: went back in time")
        # a reader that did not read through the publishes would find nothing wrong
        if len(set(seen)) < PUBLISHES // 4 or seen[-1] != max(published):
            faults.append(f"{kind}: saw only {len(set(seen))} builds in {len(polls)} polls, the last {seen[-1:]}")
        print(f"{kind}: {len(polls)} polls, {len(set(seen))} of {PUBLISHES} builds")
    assert not faults, "\n".join(faults[:20])
