"""Histories delivered batch by batch, and builds that follow each other in one database."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import signal_histories as histories
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from oracle import Options
from project import ROOT, Warehouse
from signal_oracle import known_at

Rows = histories.Rows
DAY = dt.timedelta(days=1)
OPTIONS = Options(histories.AS_OF)
MODELS = ("int_signal_episodes", "int_signal_pieces", "input_accounting")


def moment_of(entity: str, row: dict[str, Any]) -> dt.datetime:
    """When a row became known."""
    if entity == "accounts":
        if row.get("recorded_at"):
            return row["recorded_at"]  # type: ignore[no-any-return]
        day = row.get("acquired_on") or dt.date(1900, 1, 1)
        return dt.datetime.combine(day, dt.time()) - dt.timedelta(seconds=1)
    if entity in ("features", "fx_rates", "plans"):
        return dt.datetime(1900, 1, 1)
    return known_at(row, entity, OPTIONS)


def delivered(rows: Rows, day: dt.date) -> Rows:
    """What the source holds at 00:00 of a day: rows that were known by then, and those it announces for later."""
    until = dt.datetime.combine(day, dt.time())
    return {
        entity: [
            {name: value for name, value in row.items() if name not in ("delivered", "withdrawn")}
            for row in found
            if row.get("delivered", moment_of(entity, row)) < until <= row.get("withdrawn", dt.datetime.max)
        ]
        for entity, found in rows.items()
    }


def twisted(rows: Rows, days: Sequence[dt.date], seed: int) -> Rows:
    """The rows, and on each of the days some that are hard: moved to other accounts, deleted, doubled, late, in
    dispute, without account, announced, withdrawn; and accounts that merge, part, go, come back or turn out tests."""
    chance = random.Random(seed)
    found = {entity: list(given) for entity, given in rows.items()}
    accounts = [row["account_id"] for row in found["accounts"]]
    with_account = ("orders", "usage_events", "messages", "support_tickets", "survey_responses", "usage_daily")
    number = 0
    for day in days:
        noon = dt.datetime.combine(day, dt.time(12)) - DAY
        known = {e: [row for row in found[e] if moment_of(e, row) < noon - DAY] for e in found}

        def again(entity: str, noon: dt.datetime = noon, known: Rows = known, **changes: Any) -> dict[str, Any]:
            second = dt.timedelta(seconds=chance.randrange(3600))
            row = {**chance.choice(known[entity]), "recorded_at": noon + second, **changes}
            found[entity].append(row)
            return row

        for entity in with_account:
            if not known[entity]:
                continue
            again(entity)
            again(entity, is_deleted=True)
            again(entity, account_id=chance.choice(accounts))  # for usage_daily a row of its own
            again(entity, account_id="nobody")
            again(entity, account_id=None)
            found[entity].append(dict(again(entity)))  # delivered twice at once
            disputed = again(entity)
            found[entity].append({**disputed, "account_id": chance.choice(accounts)})
            again(entity, recorded_at=noon + chance.choice([2, 5, 30]) * DAY, delivered=noon)  # announced
            again(entity, recorded_at=noon + 60 * DAY, delivered=noon, withdrawn=noon + 4 * DAY)
            back = again(entity)  # a new key, long ago
            key = {"orders": "order_id", "usage_events": "event_id", "messages": "message_id"}.get(entity)
            if key:
                number += 1
                back[key] = f"late{number}"
        one, other, third, fourth = chance.sample(accounts, 4)
        by_id = {row["account_id"]: row for row in known["accounts"]}
        for account, changes in (
            (one, {"merged_into": other}),
            (third, {"is_deleted": True}),
            (fourth, {"is_test": True}),
            (chance.choice(accounts), {}),
        ):
            if account in by_id:
                found["accounts"].append({**by_id[account], "recorded_at": noon, **changes})
        again("contacts", account_id=chance.choice(accounts))
        again("contacts", is_deleted=True)
        again("contact_roles", role="power_user")
        again("milestones", account_id=chance.choice(accounts))
        again("subscriptions", is_deleted=True)
    return found


def quiet(days: Sequence[dt.date]) -> Rows:
    """Accounts of one thing each: all of them was known before the first day but the thing that their name says."""
    before, first, second, third = (dt.datetime.combine(day, dt.time(12)) - DAY for day in (days[0] - 40 * DAY, *days))
    long_ago = dt.date(2024, 9, 1)
    rows: Rows = {entity: [] for entity in histories.COLUMNS}

    def account(name: str, model: str = "b2b_contract", **later: Any) -> None:
        row = {"account_id": name, "business_model": model, "acquired_on": long_ago}
        rows["accounts"].append(row)
        if later:
            rows["accounts"].append({**row, "recorded_at": first, **later})

    def contract(name: str, valid_from: dt.date = long_ago, valid_to: dt.date | None = None) -> None:
        rows["subscriptions"].append({
            "valid_to": valid_to,
            "subscription_id": f"S_{name}", "valid_from": valid_from, "account_id": name, "quantity": 1, "amount": 10,
            "currency": "EUR", "billing_interval_months": 1, "recorded_at": before,
        })  # fmt: skip

    def used(name: str, day: dt.date, **more: Any) -> None:
        rows["usage_daily"].append({
            "account_id": name, "used_on": day, "feature": "board", "quantity": 5,
            "recorded_at": dt.datetime.combine(day, dt.time(20)), **more,
        })  # fmt: skip

    def ordered(name: str, key: str, recorded_at: dt.datetime, **more: Any) -> None:
        rows["orders"].append({
            "order_id": key, "account_id": name, "ordered_at": dt.datetime(2024, 10, 1, 9), "amount": 20,
            "currency": "EUR", "recorded_at": recorded_at, **more,
        })  # fmt: skip

    for name in (
        "Q_begins",
        "Q_role",
        "Q_cancels",
        "Q_into",
        "Q_apart",
        "Q_reaches",
        "Q_shares",
        "Q_shared",
        "Q_announced",
    ):
        account(name)
        if name not in ("Q_begins", "Q_shares"):
            contract(name)
        for day in range(0, 60, 7):
            used(name, long_ago + day * DAY)
    # signed long ago, begins on the first day
    contract("Q_begins", days[0])
    # leaves on the first day, as was known long ago, and logs in less and less
    account("Q_leaves")
    contract("Q_leaves", valid_to=days[0])
    for day in range(2, 70, 3):
        used("Q_leaves", days[0] - day * DAY, feature="login", event_name="login", quantity=day)
    # somebody who is there already becomes a power user, known from the first day on
    rows["contacts"].append({"contact_id": "C_role", "account_id": "Q_role", "created_at": dt.datetime(2024, 9, 2)})
    for day in range(0, 60, 2):
        used("Q_role", long_ago + day * DAY, contact_id="C_role")
    rows["contact_roles"].append(
        {"contact_id": "C_role", "role": "power_user", "valid_from": long_ago, "recorded_at": first}
    )
    rows["cancellations"].append({
        "cancellation_id": "X_cancels", "account_id": "Q_cancels", "requested_on": first.date(), "recorded_at": first
    })  # fmt: skip
    # merges on the first day; and one that was taken back on it
    account("Q_merges", merged_into="Q_into")
    used("Q_merges", long_ago + 30 * DAY)
    account("Q_parts", merged_into=None)
    rows["accounts"][-2]["merged_into"] = "Q_apart"
    used("Q_parts", long_ago + 30 * DAY)
    # an order that has moved to another account, of which the first begins to be a customer with the day
    ordered("Q_shares", "O_shared", before - 20 * DAY)
    ordered("Q_shared", "O_shared", before - 10 * DAY)
    contract("Q_shares", days[0])
    # announced before the first day, and withdrawn on it
    ordered("Q_announced", "O_announced", first + 60 * DAY, delivered=before, withdrawn=first)
    # who was first with a ticket turns out to be a test on the second day, on the third who was first with (no) use
    for name, recorded_at in (("Q_first", second), ("Q_zero", third)):
        account(name)
        rows["accounts"][-1]["acquired_on"] = dt.date(2024, 2, 1)
        rows["accounts"].append({**rows["accounts"][-1], "recorded_at": recorded_at, "is_test": True})
    used("Q_zero", dt.date(2024, 3, 1), quantity=0)
    rows["support_tickets"].append({
        "ticket_id": "K_first", "account_id": "Q_first", "opened_at": dt.datetime(2024, 3, 1, 9),
        "recorded_at": dt.datetime(2024, 3, 1, 9),
    })  # fmt: skip
    return rows


@dataclass
class Refreshes:
    """Builds after each other in one database; the project is parsed once."""

    work: Path
    variables: dict[str, Any] = field(default_factory=dict)
    select: Sequence[str] = tuple(f"+{model}" for model in MODELS)
    number: int = 0

    @property
    def database(self) -> Path:
        return self.work / "bestand.duckdb"

    def build(self, rows: Rows, as_of: dt.date, *arguments: str, **variables: Any) -> Warehouse:
        """Delivers the rows and brings the database up to date."""
        self.number += 1
        files = histories.write(self.work / f"files{self.number}", rows)
        return self.run(files, as_of, *arguments, **variables)

    def run(self, files: Path, as_of: dt.date, *arguments: str, **variables: Any) -> Warehouse:
        values = {
            "crm_source": "files", "crm_files": str(files), "as_of_date": str(as_of), "quarantine_max_share": 1,
            **self.variables, **variables,
        }  # fmt: skip
        command = ["build", "--select", *self.select, "--exclude-resource-type", "test", "unit_test", *arguments]
        return Warehouse(self.database, self.work / "target", invoke(self.work, command, values))

    @contextmanager
    def in_the_way(self, model: str) -> Iterator[None]:
        """While it lasts, building the model fails; to dbt the project is the same."""
        manifest = _manifests[0]
        node = manifest.nodes[f"model.bestand.{model}"]
        code = node.raw_code
        node.raw_code = f"{code}\nwhere error('in the way')"
        try:
            yield
        finally:
            node.raw_code = code


_manifests: list[Any] = []


def invoke(work: Path, command: Sequence[str], variables: dict[str, Any]) -> Any:
    """One dbt command with the manifest of the first one: parsing takes longer than these builds."""
    work.mkdir(parents=True, exist_ok=True)
    common = [
        "--project-dir", str(ROOT), "--profiles-dir", str(ROOT / "profiles"), "--target-path", str(work / "target"),
        "--log-path", str(work / "logs"), "--vars", json.dumps(variables),
    ]  # fmt: skip
    before = os.environ.get("BESTAND_DATABASE")
    os.environ["BESTAND_DATABASE"] = str(work / "bestand.duckdb")
    try:
        if not _manifests:
            parsed = dbtRunner().invoke(["--quiet", "parse", *common])
            assert parsed.success, parsed.exception
            _manifests.append(parsed.result)
        return dbtRunner(manifest=_manifests[0]).invoke(["--quiet", "--no-use-colors", *command, *common])
    finally:
        DuckDBConnectionManager.close_all_connections()
        if before is None:
            os.environ.pop("BESTAND_DATABASE", None)
        else:
            os.environ["BESTAND_DATABASE"] = before
