"""A small company for the tests of erasure: a dozen accounts, every kind of input file, and a scanner for all of it."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import html
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from bestand.build import run_dbt
from bestand.erasure import Places
from bestand.refresh import run as refreshing
from bestand.refresh.layout import Layout
from bestand.refresh.report import Report
from bestand.refresh.request import Request
from rich.console import Console

MARTS = (
    "account_clv", "account_months", "account_signals", "alerts", "churn_by_segment", "cohort_retention",
    "health_contributions", "input_accounting", "mrr_monthly", "mrr_movements", "retention_cost",
)  # fmt: skip
FIRST = "2025-07-01"

# The account that is erased, the one merged into it, and what is theirs.
ACCOUNT, MERGED = "K-12", "K-77"
ACCOUNT_WORDS = ["Quastenflosser & Söhne", "Altquasten Handel"]
ACCOUNT_PEOPLE = ["Wilhelmine Quast", "w.quast@quasten.example", "Ottokar Altquast", "o.altquast@quasten.example"]
ACCOUNT_KEYS = [
    ACCOUNT, MERGED, "P-120", "P-121", "S-12", "S-77", "I-12-1", "I-12-2", "X-12", "T-12", "T-12b", "R-12", "M-12",
    "L-12", "F-12", "Z-12", "N-12", "O-12",
]  # fmt: skip
ACCOUNT_TEXTS = ["Frau Quast sagt, wir antworten nie"]
# The contact who is erased; the account stays.
CONTACT = "P-5"
CONTACT_WORDS = [
    "Zacharias Blumenkohl", "zacharias@kohl.example", "Zacharias Blumenkohl war unser letzter Freund dort",
    "Herr Blumenkohl hat uns verlassen",
]  # fmt: skip
# Of everybody else nothing may be lost, however alike the keys are.
OTHERS = ["K-1", "K-120", "K-2", "P-50", "P-55", "P-2", "S-1", "S-120", "I-1", "Petra Unbeteiligt", "X-1"]


def forbidden() -> list[str]:
    """All that must be found nowhere once both are erased."""
    return [*ACCOUNT_WORDS, *ACCOUNT_PEOPLE, *ACCOUNT_KEYS, *ACCOUNT_TEXTS, CONTACT, *CONTACT_WORDS]


def write_inputs(folder: Path) -> Path:
    """Twelve accounts in CSV, JSON and Parquet, with dirt."""
    folder.mkdir(parents=True)
    numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 77, 120]
    accounts = [
        {
            "account_id": f"K-{n}",
            "account_name": {12: ACCOUNT_WORDS[0], 77: ACCOUNT_WORDS[1]}.get(n, f"Firma {n}"),
            "parent_account_id": "K-12" if n == 3 else "",
            "merged_into": "K-12" if n == 77 else "",
            "business_model": "b2c_shop" if n == 9 else "b2b_contract",
            "industry": "software" if n % 2 else "energy",
            "company_size": "small" if n < 5 else "mid",
            "region": "north",
            "acquired_on": f"2024-0{1 + n % 6}-01",
            "currency": "EUR",
            "gross_margin": "0.8",
        }
        for n in numbers
    ]
    # another delimiter, a name in quotes, an empty line, line ends of another system
    _csv(folder / "accounts.csv", accounts, delimiter=";", end="\r\n", tail='"";"ohne Schlüssel";;;;;;;;;\r\n')
    contacts: list[dict[str, Any]] = [
        {"contact_id": "P-120", "account_id": "K-12", "full_name": ACCOUNT_PEOPLE[0], "email": ACCOUNT_PEOPLE[1]},
        {"contact_id": "P-121", "account_id": "K-77", "full_name": ACCOUNT_PEOPLE[2], "email": ACCOUNT_PEOPLE[3]},
        {"contact_id": "P-5", "account_id": "K-1", "full_name": CONTACT_WORDS[0], "email": CONTACT_WORDS[1]},
        {"contact_id": "P-55", "account_id": "K-1", "full_name": "Petra Unbeteiligt", "email": "petra@kohl.example"},
        {"contact_id": "P-50", "account_id": "K-120", "full_name": "Ulla Unbeteiligt", "email": "ulla@x.example"},
    ]
    for one in contacts:
        one |= {"language": "de", "created_at": "2024-02-01 09:00:00"}
    contacts.append({"contact_id": "P-5", "account_id": "K-1", "full_name": CONTACT_WORDS[0], "created_at": "never"})
    (folder / "contacts.json").write_text(json.dumps(contacts, indent=1), encoding="utf-8")
    _parquet(
        folder / "contact_roles.parquet",
        "select * from (values ('P-120', 'champion', date '2024-02-01', null::date),"
        " ('P-5', 'champion', date '2024-02-01', null), ('P-55', 'decision_maker', date '2024-03-01', null),"
        " ('P-50', 'decision_maker', date '2024-03-01', date '2025-06-20'))"
        " as roles (contact_id, role, valid_from, valid_to)",
    )
    _csv(
        folder / "consents.csv",
        [
            {"contact_id": one, "purpose": "newsletter", "channel": "email", "granted_at": "2024-03-01 08:00:00"}
            for one in ("P-120", "P-5", "P-55")
        ],
    )
    _subscriptions(folder, numbers)
    invoices = [
        {"invoice_id": key, "account_id": account, "subscription_id": subscription, "issued_on": day,
         "paid_on": paid, "amount": amount, "currency": "EUR", "status": "paid" if paid else "failed"}
        for key, account, subscription, day, paid, amount in [
            ("I-1", "K-1", "S-1", "2025-05-01", "2025-05-10", "100.10"),
            ("I-12-1", "K-12", "S-12", "2025-05-01", "2025-05-10", "512.00"),
            ("I-12-2", "K-12", "S-12", "2025-06-01", "", "512.00"),
            ("I-120", "K-120", "S-120", "2025-06-01", "2025-06-10", "220"),
            ("I-12-3", "K-12", "S-12", "soon", "", "1"),
        ]
    ]  # fmt: skip
    _csv(folder / "invoices.csv", invoices)
    orders = [
        {
            "order_id": f"O-{n}",
            "account_id": "K-9",
            "ordered_at": f"2025-0{n}-02 10:00:00",
            "amount": "40",
            "currency": "EUR",
        }
        for n in range(1, 7)
    ]
    (folder / "orders").mkdir()
    _csv(folder / "orders" / "a.csv", orders[:3])
    _csv(folder / "orders" / "b.csv", [*orders[3:], {**orders[0], "order_id": "O-12", "account_id": "K-12"}])
    cancellations = [
        ("X-1", "K-2", "S-2", "2025-05-20", "2025-06-15", "price", f"Zu teuer. {CONTACT_WORDS[2]}"),
        ("X-2", "K-1", "S-1", "2025-06-28", "2026-01-01", "service", CONTACT_WORDS[3]),
        ("X-3", "K-4", "S-4", "2025-06-28", "2026-01-01", "service", "Blumenkohl vertragen wir nicht"),
        ("X-12", "K-12", "S-77", "2025-05-25", "2025-06-20", "service", ACCOUNT_TEXTS[0]),
    ]  # fmt: skip
    names = [
        "cancellation_id",
        "account_id",
        "subscription_id",
        "requested_on",
        "effective_on",
        "reason_code",
        "comment",
    ]
    _csv(folder / "cancellations.csv", [dict(zip(names, one, strict=True)) for one in cancellations])
    _behaviour(folder)
    _money(folder)
    return folder


def _subscriptions(folder: Path, numbers: list[int]) -> None:
    rows = []
    for n in numbers:
        if n == 9:
            continue
        ends = {2: "2025-06-15", 77: "2025-06-20"}.get(n)
        rows.append((f"S-{n}", "2024-07-01", f"K-{n}", 100.5 + n, ends))
        if n == 12:
            rows.append((f"S-{n}", "2025-03-01", f"K-{n}", 512.0, ends))
    values = ", ".join(
        f"('{key}', date '{start}', '{account}', {amount}::decimal(18,4), "
        f"{'null::date' if end is None else f'date {end!r}'})"
        for key, start, account, amount, end in rows
    )
    _parquet(
        folder / "subscriptions.parquet",
        f"select *, 'EUR' as currency, 1 as billing_interval_months, 'basic' as plan from (values {values})"
        " as subscriptions (subscription_id, valid_from, account_id, amount, valid_to)",
    )


def _behaviour(folder: Path) -> None:
    days = [dt.date(2025, 4, 1) + dt.timedelta(n) for n in range(0, 80, 3)]
    people = [("K-12", "P-120"), ("K-1", "P-5"), ("K-1", "P-55"), ("K-120", "P-50"), ("K-2", None)]
    rows = ", ".join(
        f"('{account}', {f'{person!r}' if person else 'null'}, date '{day}', 'log_in', 'login', {1 + day.day % 3})"
        for account, person in people
        for day in days
        if account != "K-120" or day < dt.date(2025, 5, 1)
    )
    _parquet(
        folder / "usage_daily.parquet",
        f"select * from (values {rows}) as usage (account_id, contact_id, used_on, feature, event_name, quantity)",
    )
    _csv(
        folder / "usage_events.csv",
        [
            {"event_id": f"E-{n}", "account_id": account, "contact_id": person or "", "event_name": "download",
             "feature": "reports", "occurred_at": "2025-05-03 10:00:00"}
            for n, (account, person) in enumerate(people)
        ],
    )  # fmt: skip
    tickets = [
        {"ticket_id": "T-12", "account_id": "K-12", "contact_id": "P-120", "opened_at": "2025-06-10 09:00:00",
         "is_complaint": True, "reopened_count": 2},
        {"ticket_id": "T-12b", "account_id": "K-77", "contact_id": "P-121", "opened_at": "yesterday"},
        {"ticket_id": "T-1", "account_id": "K-1", "contact_id": "P-5", "opened_at": "2025-06-10 09:00:00",
         "is_complaint": True, "reopened_count": 0},
        {"ticket_id": "T-2", "account_id": "K-2", "contact_id": None, "opened_at": "2025-02-10 09:00:00",
         "resolved_at": "2025-02-11 09:00:00", "is_complaint": True, "reopened_count": 1},
    ]  # fmt: skip
    (folder / "support_tickets.json").write_text("".join(json.dumps(one) + "\n" for one in tickets), encoding="utf-8")
    surveys = [("R-12", "K-12", "P-120", "2"), ("R-1", "K-1", "P-5", "3"), ("R-50", "K-120", "P-50", "9")]
    _csv(
        folder / "survey_responses.csv",
        [
            {"response_id": key, "account_id": account, "contact_id": person, "survey": "nps",
             "sent_at": "2025-06-01 08:00:00", "responded_at": "2025-06-02 08:00:00", "score": score}
            for key, account, person, score in surveys
        ],
        # a line that the reader refuses
        tail="R-9,K-1,P-5,nps,zacharias@kohl.example,one,two,many\n",
    )  # fmt: skip
    _csv(
        folder / "messages.csv",
        [
            {"message_id": f"M-{n}", "account_id": f"K-{n}", "contact_id": person, "channel": "email",
             "purpose": "newsletter", "sent_at": "2025-05-05 07:00:00"}
            for n, person in ((12, "P-120"), (1, "P-5"))
        ],
    )  # fmt: skip
    _csv(
        folder / "milestones.csv",
        [
            {
                "milestone_id": f"L-{n}",
                "account_id": f"K-{n}",
                "milestone": "success_event",
                "occurred_at": "2025-01-05",
            }
            for n in (12, 1)
        ],
    )
    _csv(
        folder / "alert_feedback.csv",
        [
            {"alert_id": _alert("K-12", "complaint_open", "2025-06-17"), "given_at": "2025-06-20 10:00:00",
             "verdict": "acknowledged", "given_by": "desk@vendor.example"},
            {"alert_id": _alert("K-1", "complaint_open", "2025-06-17"), "given_at": "2025-06-20 10:00:00",
             "verdict": "acknowledged", "given_by": "Zacharias Blumenkohl"},
        ],
    )  # fmt: skip
    _csv(
        folder / "erasure_requests.csv",
        [
            {"subject_kind": "account", "subject_id": "K-12", "requested_on": "2025-06-25"},
            {"subject_kind": "contact", "subject_id": "P-5", "requested_on": "2025-06-26"},
            {"subject_kind": "contact", "subject_id": "P-999", "requested_on": "2025-06-26"},
        ],
    )


def _money(folder: Path) -> None:
    _csv(
        folder / "offers.csv",
        [
            {"offer_id": f"F-{n}", "account_id": f"K-{n}", "kind": "win_back", "offered_at": "2025-05-01 08:00:00",
             "decided_at": "2025-05-03 08:00:00", "is_accepted": "true", "amount": "25"}
            for n in (12, 1)
        ],
    )  # fmt: skip
    _csv(
        folder / "costs.csv",
        [
            {"cost_id": f"Z-{n}", "period_start": "2025-05-01", "period_end": "2025-06-01", "kind": "retention",
             "category": "rewards", "account_id": account, "amount": "60", "currency": "EUR"}
            for n, account in ((12, "K-12"), (1, "K-1"), (2, ""))
        ],
    )  # fmt: skip
    _csv(
        folder / "loyalty_points.csv",
        [
            {
                "entry_id": f"N-{n}",
                "account_id": f"K-{n}",
                "programme": "stars",
                "points": "10",
                "occurred_at": "2025-05-01",
            }
            for n in (12, 1)
        ],
    )
    _csv(
        folder / "account_managers.csv",
        [{"account_id": f"K-{n}", "valid_from": "2024-01-01", "account_manager_id": "manager-a"} for n in (12, 1, 2)],
    )


def _alert(account: str, signal: str, day: str) -> str:
    return hashlib.md5(f"{account}|{signal}|{day}".encode(), usedforsecurity=False).hexdigest()


def _csv(
    path: Path, rows: Iterable[Mapping[str, Any]], *, delimiter: str = ",", end: str = "\n", tail: str = ""
) -> None:
    rows = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, lineterminator=end)
        writer.writeheader()
        writer.writerows(rows)
        file.write(tail)


def _parquet(path: Path, query: str) -> None:
    duckdb.sql(query).write_parquet(str(path), compression="gzip")


# --- a project folder of its own, refreshed ---


class World:
    """Where a test's database, publishes, inputs, target and logs lie."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inputs = root / "inputs"
        self.database = root / "bestand.duckdb"
        self.layout = Layout(root / "published")

    def environment(self) -> dict[str, str]:
        """What makes the commands work here."""
        return {
            "BESTAND_DATABASE": str(self.database),
            "BESTAND_PUBLISH_DIR": str(self.layout.root),
            "DBT_TARGET_PATH": str(self.root / "target"),
            "DBT_LOG_PATH": str(self.root / "logs"),
        }

    def refresh(self, as_of: str, marts: tuple[str, ...] = MARTS) -> Report:
        """A refresh of some marts on the input files."""
        with self._here():
            return refreshing.refresh(Request(self.variables(as_of), marts=marts), Console(quiet=True))

    def variables(self, as_of: str) -> dict[str, Any]:
        """The vars of its builds."""
        return {
            "crm_source": "files", "crm_files": str(self.inputs), "as_of_date": as_of,
            "crm_held_files": str(self.layout.held), "quarantine_max_share": {"default": 1},
            "alert_history_days": 40, "clv_min_customers": 2,
        }  # fmt: skip

    def run(self, command: str, *arguments: str) -> None:
        """A dbt command on the same inputs."""
        with self._here():
            outcome = run_dbt(command, *arguments, variables=self.variables(FIRST), console=Console(quiet=True))
        assert outcome.exit_code == 0, outcome.error

    def publish(self) -> None:
        """The last build once more, as another publish."""
        with self._here():
            report = refreshing.publish(7, Console(quiet=True))
        assert report.exit_code == 0, report.lines()

    def places(self) -> Places:
        """Where to erase."""
        return Places(self.layout, self.database, self.inputs, self.root / "target", self.root / "logs")

    @contextmanager
    def _here(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment().items():
                patch.setenv(name, value)
            yield

    def small_copy(self, root: Path) -> World:
        """The same without the tables between input and marts, for tests of something else."""
        other = self.copy(root)
        other.database.unlink()
        with duckdb.connect(str(other.database)) as connection:
            connection.execute(f"attach '{self.database}' as old (read_only)")
            for schema, table in connection.execute(
                "select schema_name, table_name from duckdb_tables() where database_name = 'old'"
                " and schema_name in ('conformed', 'marts', 'restricted', 'quarantine')"
            ).fetchall():
                connection.execute(f"create schema if not exists {schema}")
                connection.execute(f"create table {schema}.{table} as from old.{schema}.{table}")
        shutil.rmtree(other.root / "target" / "run")
        shutil.rmtree(other.root / "target" / "compiled")
        return other

    def copy(self, root: Path) -> World:
        """The same files elsewhere; the current file stays one with its publish."""
        shutil.copytree(self.root, root, symlinks=True)
        other = World(root)
        for build_id in other.layout.kept_builds():
            kept = other.layout.kept(build_id) / "marts.duckdb"
            if kept.read_bytes() == other.layout.current.read_bytes():
                other.layout.current.unlink()
                other.layout.current.hardlink_to(kept)
        return other


# --- the scanner: every column of every table of every file, and every byte of the rest ---


def found_in(folder: Path, strings: Iterable[str]) -> dict[str, set[str]]:
    """Which of the strings stand where: {string: places}. Bounded: K-1 is not found in K-12."""
    wanted = list(strings)
    found: dict[str, set[str]] = {}
    for path in sorted(one for one in folder.rglob("*") if one.is_file() and not one.is_symlink()):
        for place, one in _found_in_file(path, wanted):
            found.setdefault(one, set()).add(f"{path.relative_to(folder)}{place}")
    return found


def _found_in_file(path: Path, wanted: list[str]) -> Iterator[tuple[str, str]]:
    with path.open("rb") as file:
        start = file.read(16)
    if start[:4] == b"PAR1":
        with duckdb.connect() as connection:
            yield from _found_in_relation(connection, f"read_parquet('{path}')", wanted, "")
    elif start[8:12] == b"DUCK":
        with duckdb.connect() as connection:
            connection.execute(f"attach '{path}' as looked (read_only)")
            for schema, table in connection.execute(
                "select schema_name, table_name from duckdb_tables() where database_name = 'looked'"
            ).fetchall():
                yield from _found_in_relation(connection, f'looked."{schema}"."{table}"', wanted, f": {schema}.{table}")
    else:
        text = path.read_bytes().decode("utf-8", errors="ignore")
        unescaped = (
            html.unescape(text)
            if path.suffix != ".json"
            else re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), text)
        )
        for one in wanted:
            if any(one in found and re.search(_bounded(one), found) for found in (text, unescaped)):
                yield "", one


def _found_in_relation(
    connection: duckdb.DuckDBPyConnection, relation: str, wanted: list[str], place: str
) -> Iterator[tuple[str, str]]:
    columns = [row[0] for row in connection.execute(f"describe select * from {relation}").fetchall()]
    row = ", chr(31), ".join(f"coalesce(cast(\"{name}\" as varchar), '')" for name in columns)
    tests = ", ".join("count(*) filter (regexp_matches(one, ?, 'i'))" for _ in wanted)
    contains = " or ".join("contains(one, ?)" for _ in wanted)
    counts = connection.execute(
        f"select {tests} from (select lower(concat({row})) as one from {relation}) where {contains}",
        [*(_re2(one) for one in wanted), *(one.lower() for one in wanted)],
    ).fetchone()
    for one, count in zip(wanted, counts or (), strict=True):
        if count:
            yield place, one


def _bounded(text: str) -> str:
    return rf"(?<![A-Za-z0-9_-]){re.escape(text)}(?![A-Za-z0-9_-])"


def _re2(text: str) -> str:
    return rf"(^|[^A-Za-z0-9_-]){re.escape(text)}($|[^A-Za-z0-9_-])"
