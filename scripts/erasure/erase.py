"""The erasure itself: plan, journal, rewrite, look again; and what a refresh asks of it."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from ..refresh import candidate
from ..refresh.layout import Layout, put_in_place, sync
from ..refresh.state import literal
from ..refresh.steps import reached
from ..refresh.working import forget_increments
from . import textfiles
from .discover import discover
from .places import Places
from .plan import Plan
from .rules import Rules, rules
from .tables import Touched, connection_for, mentioning, rewrite_database, rewrite_parquet, tables_of

SUBJECTS = ("account", "contact")
MADE_OF_PROJECT = (
    "manifest.json",
    "semantic_manifest.json",
    "partial_parse.msgpack",
    "graph.gpickle",
    "graph_summary.json",
)


class ErasureError(Exception):
    """What the user has asked for cannot be done; one sentence says why and what to do."""


class UnknownSubject(ErasureError):
    """Nobody knows who is to be erased."""


@dataclass
class Erased:
    """What an erasure has done, in numbers; who was erased is not in it."""

    subject_kind: str
    accounts: int
    contacts: int
    tables: dict[str, Touched] = field(default_factory=dict)  # by place and table
    files_removed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # what still names the subject and is not the project's to change

    def summary(self) -> str:
        """One sentence for the record."""
        removed = sum(one.removed for one in self.tables.values())
        changed = sum(one.changed for one in self.tables.values())
        return (
            f"Erased {_counted(self.accounts, 'account')} and {_counted(self.contacts, 'contact')}:"
            f" {removed} rows removed and {changed} changed in {_counted(len(self.tables), 'table')},"
            f" {_counted(len(self.files_removed), 'file')} removed."
        )

    def lines(self) -> list[str]:
        """What was done where, for people."""
        return [
            self.summary(),
            *(f"  {place}: {one.removed} removed, {one.changed} changed" for place, one in self.tables.items()),
            *(f"  {place}: removed" for place in self.files_removed),
            *(f"Still there: {place}" for place in self.left),
        ]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for --json."""
        return {
            "subject_kind": self.subject_kind,
            "accounts": self.accounts,
            "contacts": self.contacts,
            "tables": {place: vars(one) for place, one in self.tables.items()},
            "files_removed": self.files_removed,
            "left": self.left,
        }


@dataclass(frozen=True)
class Erasing:
    """An erasure that was begun and not finished."""

    places: Places
    plan: Plan


def erase(subject_kind: str, subject_id: str, places: Places) -> Erased:
    """Erases an account (with its contacts and the accounts merged with it) or a contact from all places.

    The caller holds the lock of the publish folder and of the working database. An erasure that was interrupted is
    finished first. ErasureError: the subject is found nowhere, or a place cannot be read.
    """
    if subject_kind not in SUBJECTS:
        raise ErasureError(f"What is to be erased is '{subject_kind}'; expected account or contact.")
    subject_id = subject_id.strip()
    begun = unfinished(places.layout)
    if begun:
        done = _carry_out(begun)
        if (begun.plan.subject_kind, begun.plan.subject_id) == (subject_kind, subject_id):
            return done
    with _readable():
        reached("looking for the subject")
        plan = discover(places, rules(), subject_kind, subject_id)
    if plan is None:
        when = _erased_on(places, subject_kind, subject_id)
        raise UnknownSubject(
            f"This {subject_kind} was erased already, on {when}; nothing of it is left."
            if when
            else f"There is no {subject_kind} with this key in the inputs, the working database or a kept publish."
        )
    begun = Erasing(places, plan)
    _write_secret(places.journal, json.dumps({"places": places.as_dict(), "plan": plan.as_dict()}))
    return _carry_out(begun)


def unfinished(layout: Layout) -> Erasing | None:
    """The erasure that an interruption has left half done; None where there is none."""
    journal = layout.state / "erasing.json"
    if not journal.exists():
        return None
    found = json.loads(journal.read_text(encoding="utf-8"))
    return Erasing(Places.from_dict(found["places"]), Plan(**found["plan"]))


def finish(layout: Layout) -> Erased | None:
    """Finishes an interrupted erasure, if there is one; every command that takes the lock does so first."""
    begun = unfinished(layout)
    return _carry_out(begun) if begun else None


def erase_pending(places: Places) -> list[Erased]:
    """Erases every subject of the erasure requests that is still there, and everyone who was erased and came back."""
    finish(places.layout)
    done = []
    for kind, subject in [*pending(places.database), *_returned(places)]:
        try:
            done.append(erase(kind, subject, places))
        except UnknownSubject:  # gone with one before it: a contact with its account
            continue
    return done


def pending(database: Path) -> list[tuple[str, str]]:
    """Kind and key of the erasure requests in the working database whose subject is still there."""
    found: list[tuple[str, str]] = []
    if not database.exists():
        return found
    with duckdb.connect(str(database), read_only=True) as connection:
        names = _conformed(connection)
        if not {"validated_erasure_requests", "validated_accounts"} <= names.keys():
            return found
        for kind, table, column in (
            ("account", "validated_accounts", "source_account_id"),
            ("contact", "validated_contacts", "contact_id"),
        ):
            if table in names:
                rows = connection.execute(
                    f"select distinct subject_id from {names['validated_erasure_requests']} as requests"
                    f" where subject_kind = ? and disposition = 'accepted'"
                    f" and subject_id in (select {column} from {names[table]}) order by subject_id",
                    [kind],
                ).fetchall()
                found += [(kind, row[0]) for row in rows]
    return found


def returned_subjects(database: Path, layout: Layout) -> list[str]:
    """One sentence per entity in which the source still delivers somebody who was erased; empty where all is well.

    Asked after the inputs were read and before anything is published. No sentence names the subject: it is recorded.
    """
    counts: dict[tuple[str, str], int] = {}
    for kind, entity, _, rows in _returning(database, layout):
        counts[entity, kind] = counts.get((entity, kind), 0) + rows
    return [
        f"{entity}: the source still delivers {_counted(rows, 'row')} of an erased {kind}."
        " Erase it there; bestand erase --pending takes it out of what was delivered."
        for (entity, kind), rows in sorted(counts.items())
    ]


def _returned(places: Places) -> list[tuple[str, str]]:
    return list(dict.fromkeys((kind, id_) for kind, _, id_, _ in _returning(places.database, places.layout)))


def _returning(database: Path, layout: Layout) -> Iterator[tuple[str, str, str, int]]:
    """Kind, entity, key and rows of everybody in the working database whose hash is among the erased."""
    salt, erased = layout.state / "erased.salt", layout.state / "erased.parquet"
    if not (database.exists() and salt.exists() and erased.exists()):
        return
    known = rules()
    with duckdb.connect(str(database), read_only=True) as connection:
        for name, place in _conformed(connection).items():
            entity = name.removeprefix("validated_")
            columns = {row[0] for row in connection.execute(f"describe {place}").fetchall()}
            for column in sorted(columns):
                kind = known.kind(column)
                if kind not in SUBJECTS or (column == "account_id" and "source_account_id" in columns):
                    continue
                rows = connection.execute(
                    f"with ids as (select {column} as id, count(*) as row_count from {place} where {column} is not null"
                    f" group by {column}) select id, row_count from ids"
                    " where sha256(concat($salt, $kind, ':', id))"
                    f" in (select subject_hash from read_parquet({literal(erased)}))"
                    " order by id",
                    {"salt": salt.read_text(encoding="ascii"), "kind": kind},
                ).fetchall()
                yield from ((str(kind), entity, row[0], row[1]) for row in rows)


def _conformed(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The tables validated_<entity> of the working database, whatever prefix its schemas have."""
    rows = connection.execute(
        "select table_name, schema_name from duckdb_tables() where table_name like 'validated\\_%' escape '\\'"
        " order by table_name"
    ).fetchall()
    return {name: f'"{schema}"."{name}"' for name, schema in rows}


# --- carrying it out; every step may be done twice ---


def _carry_out(begun: Erasing) -> Erased:
    places, plan, found = begun.places, begun.plan, rules()
    done = Erased(plan.subject_kind, len(plan.accounts), len(plan.contacts) + len(plan.contacts_gone))
    with _readable():
        _tidy(places)
        reached("noting who is erased")
        _note(places, plan)
        for entity, path in places.input_files():
            reached(f"erasing in {places.named(path)}")
            _note_touched(done, places.named(path), _erase_file(entity, path, plan, found, places))
        for entity, path in [*places.held_files(), *places.restricted_files()]:
            reached(f"erasing in {places.named(path)}")
            _note_touched(done, places.named(path), rewrite_parquet(path, entity, plan, found, places.spill))
        for path in (places.database, places.layout.memory):
            if path.exists():
                reached(f"erasing in {places.named(path)}")
                if path == places.database:
                    forget_increments(path)
                for table, touched in rewrite_database(path, plan, found, places.spill, always=True).items():
                    _note_touched(done, f"{places.named(path)}: {table}", touched)
        unreadable = places.database.with_name(f"{places.database.name}.unreadable")
        if unreadable.exists():
            unreadable.unlink()  # nobody can tell what is in it
            done.files_removed.append(unreadable.name)
        for build_id in places.layout.kept_builds():
            reached(f"erasing in publish {build_id}")
            _erase_publish(places, build_id, plan, found, done)
        _renew_current(places, plan, found, done)
        for path in places.texts():
            if _names_subject(path, plan):
                reached(f"removing {places.named(path)}")
                path.unlink()
                done.files_removed.append(places.named(path))
        reached("looking again")
        done.left = [*_left(places, plan, found), *_others(places, plan)]
    reached("forgetting the keys")
    _tidy(places)
    _shred(places.journal)
    return done


def _erase_file(entity: str, path: Path, plan: Plan, found: Rules, places: Places) -> Touched:
    if path.suffix.lower() == ".parquet":
        return rewrite_parquet(path, entity, plan, found, places.spill)
    if entity not in found.contract:
        return Touched(0, 0)
    with connection_for(places.spill) as connection:
        touched, write = textfiles.rewrite(path, entity, plan, found, connection)
        if touched:
            write()
    return touched


def _erase_publish(places: Places, build_id: str, plan: Plan, found: Rules, done: Erased) -> None:
    """Makes the whole publish anew beside the kept one, then puts its files into place one by one."""
    layout = places.layout
    kept, making = layout.kept(build_id), layout.making(build_id)
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    behind = _is_behind(kept)
    touched = rewrite_database(
        kept / "marts.duckdb", plan, found, places.spill, into=making / "marts.duckdb", always=behind
    )
    if touched or behind:
        _renew_tables(making / "marts.duckdb", places.spill)
        candidate.write_parquet(making / "marts.duckdb", making / "parquet")
        candidate.write_manifest(making)
        reached(f"replacing publish {build_id}")
        # the manifest comes last: until then an interruption shows in its checksums
        for file in sorted(making.rglob("*"), key=lambda one: (one.name == "manifest.json", -len(one.parts))):
            if file.is_file():
                sync(file)
                file.replace(kept / file.relative_to(making))
        sync(kept)
        for table, one in touched.items():
            _note_touched(done, f"{places.named(kept)}/marts.duckdb: {table}", one)
    shutil.rmtree(making, ignore_errors=True)


def _is_behind(kept: Path) -> bool:
    """Whether an interruption has left files of the publish that its manifest does not know."""
    manifest = json.loads((kept / "manifest.json").read_text(encoding="utf-8"))
    files = {one["path"]: one["sha256"] for one in manifest["files"]}
    return any(not (kept / one).exists() or candidate.sha256(kept / one) != sum_ for one, sum_ in files.items())


def _renew_tables(file: Path, spill: Path) -> None:
    """The rows and checksums that the file states of itself."""
    with connection_for(spill) as connection:
        connection.execute(f"attach {literal(file)} as candidate")
        for schema, table in tables_of(connection, "candidate"):
            if table.name != "publish_tables":
                connection.execute(
                    "update candidate.operations.publish_tables set row_count = now.row_count, checksum = now.checksum"
                    f" from (select count(*) as row_count, {candidate.CHECKSUM} as checksum"
                    f" from {table.source} as one) as now"
                    " where schema_name = ? and table_name = ?",
                    [schema, table.name],
                )
        connection.execute("detach candidate")


def _renew_current(places: Places, plan: Plan, found: Rules, done: Erased) -> None:
    """The file that readers open: the kept publish it is of, or itself where that is no longer kept."""
    current = places.layout.current
    if not current.exists():
        return
    with connection_for(places.spill) as connection:
        connection.execute(f"attach {literal(current)} as current (read_only)")
        row = connection.execute("select build_id from current.operations.publish_manifest").fetchone()
    kept = places.layout.kept(str(row[0])) / "marts.duckdb" if row else None
    reached("swapping marts.duckdb")
    if kept is not None and kept.exists():
        if not kept.samefile(current) and candidate.sha256(kept) != candidate.sha256(current):
            put_in_place(kept, current)
            _note_touched(done, places.named(current), Touched(0, 0), always=True)
        return
    touched = rewrite_database(current, plan, found, places.spill)
    for table, one in touched.items():
        _note_touched(done, f"{places.named(current)}: {table}", one)


def _left(places: Places, plan: Plan, found: Rules) -> Iterator[str]:
    """Looks once more: a place where there is still something to do was not done."""
    for path in dict.fromkeys(one.resolve() for one in places.databases()):
        for table in mentioning(path, plan.strings, places.spill):
            yield f"{places.named(path)}: {table}"
    for entity, path in places.input_files():
        if path.suffix.lower() != ".parquet" and entity in found.contract:
            with connection_for(places.spill) as connection:
                if textfiles.rewrite(path, entity, plan, found, connection)[0]:
                    yield places.named(path)
    for path in places.texts():
        if _names_subject(path, plan):
            yield places.named(path)


def _others(places: Places, plan: Plan) -> Iterator[str]:
    for path in places.others():
        if _names_subject(path, plan):
            yield f"{places.named(path)} (no build reads this file; remove it or what it says of the subject)"


def _names_subject(path: Path, plan: Plan) -> bool:
    text = path.read_bytes().decode("utf-8", errors="ignore")
    return plan.is_in_file(text, made_of_project=path.name in MADE_OF_PROJECT)


def _note_touched(done: Erased, place: str, touched: Touched, *, always: bool = False) -> None:
    if touched or always:
        done.tables[place] = touched


def _tidy(places: Places) -> None:
    """Removes what a killed erasure has left beside the files."""
    folders = {places.database.parent, places.layout.root, places.layout.state, places.layout.held}
    folders |= {path.parent for _, path in [*places.input_files(), *places.restricted_files()]}
    for folder in folders:
        for one in folder.glob(".erasing-*") if folder.is_dir() else ():
            one.unlink(missing_ok=True)
    shutil.rmtree(places.spill, ignore_errors=True)


# --- who was erased: salted hashes ---


def _note(places: Places, plan: Plan) -> None:
    if not places.salt.exists():
        _write_secret(places.salt, secrets.token_hex(32))
    subjects = [("account", one) for one in plan.accounts]
    subjects += [("contact", one) for one in [*plan.contacts, *plan.contacts_gone]]
    rows = [(kind, _hash(places, kind, one), datetime.now(UTC).date()) for kind, one in subjects]
    with connection_for(places.spill) as connection:
        connection.execute("create table erased (subject_kind varchar, subject_hash varchar, erased_on date)")
        if places.erased.exists():
            connection.execute(f"insert into erased from read_parquet({literal(places.erased)})")
        connection.executemany(
            "insert into erased select $1, $2, $3 where $2 not in (select subject_hash from erased)", rows
        )
        fresh = places.erased.with_name(".erasing-erased.parquet")
        connection.execute(f"copy (from erased order by all) to {literal(fresh)} (format parquet)")
    fresh.chmod(0o600)
    sync(fresh)
    fresh.replace(places.erased)
    sync(places.erased.parent)


def _erased_on(places: Places, kind: str, subject: str) -> str | None:
    if not (places.salt.exists() and places.erased.exists()):
        return None
    with connection_for(places.spill) as connection:
        row = connection.execute(
            f"select erased_on from read_parquet({literal(places.erased)}) where subject_hash = ?",
            [_hash(places, kind, subject)],
        ).fetchone()
    return str(row[0]) if row else None


def _hash(places: Places, kind: str, subject: str) -> str:
    salt = places.salt.read_text(encoding="ascii")
    return hashlib.sha256(f"{salt}{kind}:{subject}".encode()).hexdigest()


# --- small things ---


def _write_secret(path: Path, text: str) -> None:
    fresh = path.with_name(f".erasing-{path.name}")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    sync(fresh)
    fresh.replace(path)
    sync(path.parent)


def _shred(path: Path) -> None:
    """Overwrites, then removes: what the file said should not be found in what the name leaves behind."""
    with path.open("r+b") as file:
        file.write(b"\0" * path.stat().st_size)
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    sync(path.parent)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise ErasureError(
                "Another process has one of the DuckDB files open for writing; erase again when it is done."
            ) from error
        raise
    except textfiles.Unreadable as error:
        raise ErasureError(f"{error}: repair it or take it away, then erase again.") from error


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
