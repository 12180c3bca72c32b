"""Ten days replayed, a build a day: every transition of docs/alerts.md, and ids that stay."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path

import pytest
from project import build_files, write_entity

FIRST = dt.date(2025, 7, 1)
DAYS = [FIRST + dt.timedelta(days) for days in range(10)]
# settle_complaint is due after a day: alerts nobody answered are given up on the seventh of July
VARIABLES = {"alert_mute_days": 4, "alert_expiry_days": 5}


def alert_id(account: str, day: int, month: int = 7) -> str:
    return hashlib.md5(
        f"{account}|complaint_open|{dt.date(2025, month, day)}".encode(), usedforsecurity=False
    ).hexdigest()


# account: (complaint opened, complaint resolved); a complaint fires when it has been open for seven days
COMPLAINTS = {
    "acknowledged": [("2025-06-24", "")],
    "acted": [("2025-06-24", "")],
    "resolved": [("2025-06-24", "2025-07-04 12:00:00")],
    "given up": [("2025-06-24", "")],
    "left": [("2025-06-24", "")],
    "muted": [("2025-06-24", "")],
    "muted ahead": [("2025-06-20", "2025-07-02 12:00:00"), ("2025-06-27", "")],
    "taken back": [("2025-06-24", "")],
    "answered late": [("2025-06-24", "")],
    "new": [("2025-07-01", "")],
}
SAID = [
    (alert_id("acknowledged", 1), "2025-07-03 10:00:00", "acknowledged"),
    (alert_id("acted", 1), "2025-07-02 10:00:00", "acted"),
    (alert_id("acted", 1), "2025-07-05 10:00:00", "not_relevant"),
    (alert_id("muted", 1), "2025-07-02 10:00:00", "not_relevant"),
    (alert_id("muted ahead", 27, 6), "2025-07-01 10:00:00", "not_relevant"),
    (alert_id("taken back", 1), "2025-07-02 10:00:00", "not_relevant"),
    (alert_id("taken back", 1), "2025-07-04 10:00:00", "acted"),
    (alert_id("answered late", 1), "2025-07-08 10:00:00", "acknowledged"),
    ("nobody's", "2025-07-02 10:00:00", "acted"),
]
# account and first day of the alert: its status on 1, 2 ... 10 July (o open, a acknowledged, m muted, r resolved,
# e expired, - not there yet)
EXPECTED = {
    ("acknowledged", "2025-07-01"): "oooaaaaaaa",
    ("acted", "2025-07-01"): "ooaaammmmo",
    ("resolved", "2025-07-01"): "oooorrrrrr",
    ("given up", "2025-07-01"): "ooooooeeee",
    ("left", "2025-07-01"): "oooooeeeee",
    ("muted", "2025-07-01"): "oommmmoooo",
    ("muted ahead", "2025-06-27"): "omrrrrrrrr",
    ("muted ahead", "2025-07-04"): "---mmooooe",
    ("taken back", "2025-07-01"): "oommaaaaaa",
    ("answered late", "2025-07-01"): "ooooooeeaa",
    ("new", "2025-07-08"): "-------ooo",
}
LETTERS = {"open": "o", "acknowledged": "a", "muted": "m", "resolved": "r", "expired": "e", None: "-"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("life_cycle") / "files"
    write_entity(
        folder,
        "accounts",
        [
            {"account_id": name, "business_model": "b2b_contract", "acquired_on": "2025-01-01", "currency": "EUR"}
            for name in COMPLAINTS
        ],
    )
    write_entity(
        folder,
        "subscriptions",
        [
            {
                "subscription_id": f"s {name}",
                "valid_from": "2025-01-01",
                "account_id": name,
                "amount": "100",
                "currency": "EUR",
                "billing_interval_months": "1",
                "valid_to": "2025-07-06" if name == "left" else "",
            }
            for name in COMPLAINTS
        ],
    )
    tickets = [
        {
            "ticket_id": f"{name} {number}",
            "account_id": name,
            "opened_at": f"{opened} 09:00:00",
            "resolved_at": resolved,
            "is_complaint": "true",
        }
        for name, complaints in COMPLAINTS.items()
        for number, (opened, resolved) in enumerate(complaints)
    ]
    # until a resolution has been seen nobody can tell open complaints from a base that notes none
    tickets.append(tickets[0] | {"ticket_id": "old", "opened_at": "2025-01-10", "resolved_at": "2025-01-11"})
    write_entity(folder, "support_tickets", tickets)
    write_entity(
        folder,
        "alert_feedback",
        [{"alert_id": alert, "given_at": given, "verdict": verdict} for alert, given, verdict in SAID],
    )
    return folder


@pytest.mark.slow
def test_ten_days_replayed(files: Path, tmp_path: Path) -> None:
    statuses: dict[tuple[str, str], list[str]] = {key: [] for key in EXPECTED}
    ids: dict[tuple[str, str], set[str]] = {key: set() for key in EXPECTED}
    for day in DAYS:
        command = "build" if day == FIRST else "run"  # the seeds stay
        warehouse = build_files(tmp_path, files, str(day), command=command, select="+int_alert_statuses", **VARIABLES)
        assert warehouse.success, warehouse.messages()
        found = {
            (row["account_id"], str(row["opened_on"])): row
            for row in warehouse.rows(
                "select alert_id, account_id, opened_on, status from intermediate.int_alert_statuses "
                "where signal = 'complaint_open'"
            )
        }
        for key in EXPECTED:
            row = found.pop(key, None)
            statuses[key].append(LETTERS[row["status"] if row else None])
            if row:
                ids[key].add(row["alert_id"])
        assert not found, "alerts nobody expected"
        unmatched = warehouse.rows("select alert_id from intermediate.int_alert_verdicts where not is_matched")
        assert [row["alert_id"] for row in unmatched] == (["nobody's"] if day > dt.date(2025, 7, 2) else [])
    assert {key: "".join(letters) for key, letters in statuses.items()} == EXPECTED
    for (account, opened), kept in ids.items():
        day = dt.date.fromisoformat(opened)
        assert kept == {alert_id(account, day.day, day.month)}, "an alert's id is the same on every day"
