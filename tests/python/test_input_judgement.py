"""Every rule by which a row is accepted or refused: one row that provokes it, one at its edge that does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from input_support import AS_OF, InputProject, write_rows
from project import Warehouse

ACCEPTED = ("accepted", None)


def refused(*reasons: str) -> tuple[str, str]:
    return ("quarantined", ",".join(reasons))


SUPERSEDED = ("superseded", None)
NOT_YET = ("not_yet_known", None)

VALID: dict[str, dict[str, Any]] = {
    "accounts": {"acquired_on": "2024-01-01", "currency": "EUR"},
    "account_history": {"account_id": "ok", "valid_from": "2024-02-01"},
    "contacts": {"account_id": "ok", "created_at": "2024-01-01 08:00:00"},
    "contact_roles": {"contact_id": "c_ok", "role": "champion", "valid_from": "2024-01-01"},
    "consents": {
        "contact_id": "c_ok", "purpose": "newsletter", "channel": "email", "granted_at": "2024-01-01 08:00:00",
    },
    "subscriptions": {
        "valid_from": "2024-01-01", "account_id": "ok", "amount": "10", "currency": "EUR",
        "billing_interval_months": "1",
    },
    "cancellations": {"account_id": "ok", "requested_on": "2024-03-01"},
    "orders": {"account_id": "ok", "ordered_at": "2024-03-01 10:00:00", "amount": "10", "currency": "EUR"},
    "usage_daily": {"account_id": "ok", "used_on": "2024-03-01", "feature": "search", "quantity": "1"},
    "support_tickets": {"account_id": "ok", "opened_at": "2024-03-01 10:00:00"},
    "costs": {
        "period_start": "2024-01-01", "period_end": "2024-02-01", "kind": "service", "amount": "5", "currency": "EUR",
    },
    "fx_rates": {"currency": "USD", "quote_currency": "EUR", "rate": "0.9"},
    "features": {"is_core": "true"},
}  # fmt: skip
KEY = {
    "accounts": "account_id", "contacts": "contact_id", "subscriptions": "subscription_id",
    "cancellations": "cancellation_id", "orders": "order_id", "support_tickets": "ticket_id", "costs": "cost_id",
    "features": "feature",
}  # fmt: skip

# Rows of one key each: what the row says beside the valid one, and what becomes of it.
SINGLE: dict[str, list[tuple[dict[str, Any], tuple[str, str | None]]]] = {
    "accounts": [
        ({"account_id": ""}, refused("missing_key")),
        ({"account_id": "   "}, refused("missing_key")),
        ({"account_id": " trimmed "}, ACCEPTED),
        ({"account_id": "k" * 255}, ACCEPTED),
        ({"account_id": "k" * 256}, refused("over_long:account_id")),
        ({"acquired_on": "2024-02-29"}, ACCEPTED),
        ({"acquired_on": "2024-02-29 00:00:00"}, ACCEPTED),
        ({"acquired_on": "2024-02-29 00:00:01"}, refused("unparsable:acquired_on")),
        ({"acquired_on": "2023-02-29"}, refused("unparsable:acquired_on")),
        ({"acquired_on": "31.12.2024"}, refused("unparsable:acquired_on")),
        ({"acquired_on": "2024-02-28x"}, refused("unparsable:acquired_on")),
        ({"acquired_on": "infinity"}, refused("unparsable:acquired_on")),
        ({"employee_count": "3.0"}, ACCEPTED),
        ({"employee_count": "3.7"}, refused("unparsable:employee_count")),
        ({"employee_count": "2147483647"}, ACCEPTED),
        ({"employee_count": "2147483648"}, refused("unparsable:employee_count")),
        ({"employee_count": "0"}, ACCEPTED),
        ({"employee_count": "-1"}, refused("negative:employee_count")),
        ({"gross_margin": "0.7"}, ACCEPTED),
        ({"gross_margin": "0,7"}, refused("unparsable:gross_margin")),
        ({"gross_margin": "nan"}, refused("unparsable:gross_margin")),
        ({"is_test": "No"}, ACCEPTED),
        ({"is_test": "0"}, ACCEPTED),
        ({"is_test": "f"}, ACCEPTED),
        ({"is_test": "maybe"}, refused("unparsable:is_test")),
        ({"closed_on": "2024-01-01"}, ACCEPTED),
        ({"closed_on": "2023-12-31"}, refused("impossible_date_order:acquired_on/closed_on")),
        ({"company_size": "small"}, ACCEPTED),
        ({"company_size": "huge"}, refused("not_in_list:company_size")),
        ({"currency": " chf "}, ACCEPTED),
        ({"currency": "EUX"}, refused("unknown_currency")),
        ({"country_code": "DE"}, ACCEPTED),
        ({"country_code": "DEU"}, refused("over_long:country_code")),
        ({"account_name": "n" * 1000}, ACCEPTED),
        ({"account_name": "n" * 1001}, refused("over_long:account_name")),
        ({"account_name": "Müller\t& Söhne\nGmbH"}, ACCEPTED),
        ({"account_name": "M\ufffdller"}, refused("broken_encoding")),
        ({"account_name": "M\x07ller"}, refused("broken_encoding")),
        ({"recorded_at": "yesterday"}, refused("unparsable:recorded_at")),
        ({"is_deleted": "perhaps"}, refused("unparsable:is_deleted")),
        (
            {"currency": "EUX", "is_test": "maybe", "employee_count": "-1", "closed_on": "2023-01-01"},
            refused(
                "unparsable:is_test",
                "unknown_currency",
                "negative:employee_count",
                "impossible_date_order:acquired_on/closed_on",
            ),
        ),
        # merges: chain of five hops, of six, circles, unknown and future targets
        ({"account_id": "h5"}, ACCEPTED),
        ({"account_id": "h4", "merged_into": "h5"}, ACCEPTED),
        ({"account_id": "h3", "merged_into": "h4"}, ACCEPTED),
        ({"account_id": "h2", "merged_into": "h3"}, ACCEPTED),
        ({"account_id": "h1", "merged_into": "h2"}, ACCEPTED),
        ({"account_id": "h0", "merged_into": "h1"}, ACCEPTED),
        ({"account_id": "h-1", "merged_into": "h0"}, refused("merge_cycle")),
        ({"account_id": "r1", "merged_into": "r2"}, refused("merge_cycle")),
        ({"account_id": "r2", "merged_into": "r1"}, refused("merge_cycle")),
        ({"account_id": "self", "merged_into": "self"}, refused("merge_cycle")),
        ({"account_id": "nowhere", "merged_into": "nobody"}, refused("unknown_account")),
        ({"account_id": "behind_nowhere", "merged_into": "nowhere"}, refused("unknown_account")),
        ({"account_id": "future", "acquired_on": "2025-07-02"}, NOT_YET),
        ({"account_id": "before_merge", "merged_into": "future"}, ACCEPTED),
        ({"account_id": "behind_before_merge", "merged_into": "before_merge"}, ACCEPTED),
        ({"account_id": "t1", "is_test": "yes"}, ACCEPTED),
        ({"account_id": "into_test", "merged_into": "t1"}, ACCEPTED),
        ({"account_id": "refused", "currency": "EUX"}, refused("unknown_currency")),
        ({"account_id": "deleted", "is_deleted": "true"}, SUPERSEDED),
        ({"account_id": "on_d", "acquired_on": AS_OF}, ACCEPTED),
    ],
    "account_history": [
        ({"account_id": "h4", "company_size": "mid"}, ACCEPTED),
        ({"account_id": "h5", "company_size": "mid"}, ACCEPTED),
        ({"account_id": "h5", "valid_from": ""}, refused("missing_key")),
    ],
    "contacts": [
        ({"contact_id": "c_ok"}, ACCEPTED),
        ({"contact_id": "c_test", "account_id": "t1"}, ACCEPTED),
        ({"contact_id": "c_merged", "account_id": "h0"}, ACCEPTED),
        ({"contact_id": "c_refused", "account_id": "refused"}, refused("parent_quarantined")),
        ({"contact_id": "c_deleted", "is_deleted": "1"}, SUPERSEDED),
        ({"contact_id": "c_later", "created_at": "2025-07-01 00:00:00"}, NOT_YET),
        ({"account_id": ""}, refused("missing_value:account_id")),
        ({"left_at": "2024-01-01 07:59:59"}, refused("impossible_date_order:created_at/left_at")),
        ({"left_at": "2024-01-01 08:00:00"}, ACCEPTED),
        ({"created_at": "2024-01-01T09:00:00+01:00", "left_at": "2024-01-01T08:00:00Z"}, ACCEPTED),
    ],
    "contact_roles": [
        ({"valid_to": "2024-01-01"}, ACCEPTED),
        ({"valid_from": "2024-01-02", "valid_to": "2024-01-01"}, refused("impossible_date_order:valid_from/valid_to")),
        ({"role": "boss"}, refused("not_in_list:role")),
        ({"role": ""}, refused("missing_key")),
        ({"contact_id": "c_test"}, ACCEPTED),
        ({"contact_id": "c_nobody"}, refused("unknown_contact")),
        ({"contact_id": "c_refused"}, refused("parent_quarantined")),
        ({"contact_id": "c_deleted"}, refused("parent_deleted")),
        ({"contact_id": "c_later"}, NOT_YET),
    ],
    "consents": [
        ({"withdrawn_at": "2024-01-01 07:59:59"}, refused("impossible_date_order:granted_at/withdrawn_at")),
        ({"purpose": "service"}, ACCEPTED),
    ],
    "subscriptions": [
        ({"amount": ""}, refused("missing_value:amount")),
        ({"amount": "ten"}, refused("unparsable:amount")),
        ({"amount": "99999999999999"}, ACCEPTED),
        ({"amount": "100000000000000"}, refused("unparsable:amount")),
        ({"amount": "0"}, ACCEPTED),
        ({"amount": "-0.01"}, refused("negative:amount")),
        ({"billing_interval_months": "1"}, ACCEPTED),
        ({"billing_interval_months": "0"}, refused("not_positive:billing_interval_months")),
        ({"currency": ""}, refused("missing_value:currency")),
        ({"valid_from": "never"}, refused("unparsable:valid_from")),
        ({"valid_to": "2024-01-01"}, ACCEPTED),
        ({"valid_to": "2023-12-31"}, refused("impossible_date_order:valid_from/valid_to")),
        ({"subscription_id": "ends_before_d", "valid_to": "2025-06-30"}, ACCEPTED),
        ({"subscription_id": "ends_on_d", "valid_to": "2025-07-01"}, ACCEPTED),
        ({"subscription_id": "ends_after_d", "valid_to": "2025-07-02"}, ACCEPTED),
        ({"account_id": "nobody"}, refused("unknown_account")),
        ({"account_id": "refused"}, refused("parent_quarantined")),
        ({"account_id": "refused", "amount": "-1"}, refused("negative:amount", "parent_quarantined")),
        ({"account_id": "deleted"}, refused("parent_deleted")),
        ({"account_id": "r1"}, refused("parent_quarantined")),
        ({"account_id": "future"}, NOT_YET),
        ({"account_id": "t1"}, ACCEPTED),
        ({"account_id": "into_test"}, ACCEPTED),
        ({"subscription_id": "of_merged", "account_id": "h0"}, ACCEPTED),
        # a version starting on D is in force at D; one that starts the day after is not known yet
        ({"valid_from": AS_OF}, ACCEPTED),
        ({"valid_from": "2025-07-02"}, NOT_YET),
        ({"valid_from": "2025-07-02", "recorded_at": "2025-06-30 23:59:59"}, ACCEPTED),
        ({"recorded_at": "2025-07-01 00:00:00"}, NOT_YET),
        ({"recorded_at": "2025-06-30 23:59:59"}, ACCEPTED),
    ],
    "cancellations": [
        # dated more than a day after it was recorded; a date counts from its midnight
        ({"requested_on": "2024-03-03", "recorded_at": "2024-03-02 00:00:00"}, ACCEPTED),
        ({"requested_on": "2024-03-03", "recorded_at": "2024-03-01 23:59:59"}, refused("event_after_recorded")),
        ({"comment": "c" * 10000}, ACCEPTED),
        ({"comment": "c" * 10001}, refused("over_long:comment")),
        ({"requested_on": "2025-06-30"}, ACCEPTED),
        ({"requested_on": AS_OF}, NOT_YET),
    ],
    "orders": [
        ({"ordered_at": "2024-03-02 10:00:00", "recorded_at": "2024-03-01 10:00:00"}, ACCEPTED),
        ({"ordered_at": "2024-03-02 10:00:01", "recorded_at": "2024-03-01 10:00:00"}, refused("event_after_recorded")),
        ({"ordered_at": "2025-06-30 23:59:59"}, ACCEPTED),
        ({"ordered_at": "2025-07-01 00:00:00"}, NOT_YET),
        ({"ordered_at": "2025-07-01 00:00:00", "amount": "x"}, refused("unparsable:amount")),
    ],
    "usage_daily": [
        ({"feature": "no_contact", "contact_id": ""}, ACCEPTED),
        ({"feature": ""}, refused("missing_key")),
        ({"used_on": "03/01/2024"}, refused("unparsable:used_on")),
        ({"feature": "more", "quantity": "-1"}, refused("negative:quantity")),
        ({"feature": "lost", "account_id": "nobody"}, refused("unknown_account")),
    ],
    "support_tickets": [
        ({"resolved_at": "2024-03-01 09:59:59"}, refused("impossible_date_order:opened_at/resolved_at")),
        ({"ticket_id": "resolved_before_d", "resolved_at": "2025-06-30 23:59:59"}, ACCEPTED),
        ({"ticket_id": "resolved_on_d", "resolved_at": "2025-07-01 00:00:00"}, ACCEPTED),
    ],
    "costs": [
        ({"account_id": ""}, ACCEPTED),
        ({"account_id": "ok"}, ACCEPTED),
        ({"account_id": "nobody"}, refused("unknown_account")),
        ({"amount": "-5"}, ACCEPTED),
    ],
    "fx_rates": [
        ({"rate_on": "2024-01-01", "rate": "0.00000001"}, ACCEPTED),
        ({"rate_on": "2024-01-02", "rate": "0"}, refused("not_positive:rate")),
        ({"rate_on": "2024-01-03", "quote_currency": "EEE"}, refused("unknown_currency")),
    ],
    "features": [
        ({"feature": "search"}, ACCEPTED),
        ({"feature": "search2", "is_core": "y"}, refused("unparsable:is_core")),
    ],
}

# Rows of the same key: what each says, and what becomes of it.
CONTESTS: dict[str, tuple[str, list[tuple[dict[str, Any], tuple[str, str | None]]]]] = {
    "copy": ("orders", [({}, ACCEPTED), ({"account_id": "ok "}, refused("duplicate"))]),
    "conflict": (
        "orders",  # as numbers 5 comes before 10, as text it would not
        [({"amount": "10"}, refused("conflicting_duplicate")), ({"amount": "5"}, ACCEPTED)],
    ),
    "conflict_with_deletion": (
        "orders",
        [({"is_deleted": "true"}, refused("conflicting_duplicate")), ({"is_deleted": "false"}, ACCEPTED)],
    ),
    "invalid_twin": (
        "orders",  # of the same moment, and first by all columns, but out of the contest
        [({"amount": "-5"}, refused("negative:amount")), ({"amount": "10"}, ACCEPTED)],
    ),
    "correction": (
        "orders",
        [
            ({"recorded_at": "2024-03-01 10:00:00"}, SUPERSEDED),
            ({"amount": "11", "recorded_at": "2024-03-02 10:00:00"}, SUPERSEDED),
            ({"amount": "12", "recorded_at": "2024-03-02 10:00:01"}, ACCEPTED),
        ],
    ),
    "correction_of_default": (
        "orders",  # without recorded_at a row is known from its event on
        [({}, SUPERSEDED), ({"amount": "11", "recorded_at": "2024-03-01 10:00:01"}, ACCEPTED)],
    ),
    "invalid_correction": (
        "orders",
        [({}, ACCEPTED), ({"amount": "x", "recorded_at": "2024-03-05 00:00:00"}, refused("unparsable:amount"))],
    ),
    "orphaned_correction": (
        "orders",
        [({}, ACCEPTED), ({"account_id": "nobody", "recorded_at": "2024-03-05"}, refused("unknown_account"))],
    ),
    "late_correction": (
        "orders",
        [
            ({}, ACCEPTED),
            ({"amount": "11", "recorded_at": "2025-07-01 00:00:00"}, NOT_YET),
            ({"amount": "11", "recorded_at": "2025-07-01 00:00:00"}, NOT_YET),
        ],
    ),
    "last_second": ("orders", [({}, SUPERSEDED), ({"recorded_at": "2025-06-30 23:59:59"}, ACCEPTED)]),
    "copies_of_the_old": (
        "orders",
        [({}, SUPERSEDED), ({}, refused("duplicate")), ({"amount": "9", "recorded_at": "2024-03-05"}, ACCEPTED)],
    ),
    "deletion": ("orders", [({}, SUPERSEDED), ({"is_deleted": "true", "recorded_at": "2024-03-05"}, SUPERSEDED)]),
    "late_deletion": ("orders", [({}, ACCEPTED), ({"is_deleted": "true", "recorded_at": "2025-07-01"}, NOT_YET)]),
    "back_again": (
        "orders",
        [
            ({}, SUPERSEDED),
            ({"is_deleted": "true", "recorded_at": "2024-03-05"}, SUPERSEDED),
            ({"recorded_at": "2024-03-06"}, ACCEPTED),
        ],
    ),
    "total_of_account": (
        "usage_daily",  # the contact is part of the key, and null is a value of it
        [
            ({"used_on": "2024-04-01"}, ACCEPTED),
            ({"used_on": "2024-04-01", "contact_id": "c_ok"}, ACCEPTED),
            ({"used_on": "2024-04-01", "contact_id": ""}, refused("duplicate")),
        ],
    ),
    "repaired_circle": (
        "accounts",  # the older good row stands again when the newer one merges in a circle
        [({}, ACCEPTED), ({"merged_into": "repaired_circle", "recorded_at": "2024-06-01"}, refused("merge_cycle"))],
    ),
    "merged_later": (
        "accounts",
        [({}, SUPERSEDED), ({"merged_into": "h5", "recorded_at": "2025-06-01"}, ACCEPTED)],
    ),
    "merge_not_yet_known": (
        "accounts",
        [({}, ACCEPTED), ({"merged_into": "h5", "recorded_at": "2025-07-01"}, NOT_YET)],
    ),
    "account_copy": ("accounts", [({}, ACCEPTED), ({}, refused("duplicate"))]),
}


def _cases() -> Iterator[tuple[str, str, dict[str, Any], tuple[str, str | None]]]:
    """(entity, tag, row, expected); the tag travels in source_system."""
    yield "accounts", "accounts-ok", {**VALID["accounts"], "account_id": "ok"}, ACCEPTED
    for entity, rows in SINGLE.items():
        for number, (says, expected) in enumerate(rows):
            tag = f"{entity}-{number}"
            yield entity, tag, {**VALID[entity], **({KEY[entity]: tag} if entity in KEY else {}), **says}, expected
    for name, (entity, rows) in CONTESTS.items():
        for number, (says, expected) in enumerate(rows):
            key = {KEY[entity]: name} if entity in KEY else {}
            yield entity, f"{name}-{number}", {**VALID[entity], **key, **says}, expected


CASES = list(_cases())


@pytest.fixture(scope="module")
def input_project(tmp_path_factory: pytest.TempPathFactory) -> InputProject:
    return InputProject(tmp_path_factory.mktemp("judgement"))


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, input_project: InputProject) -> Warehouse:
    tables: dict[str, list[dict[str, Any]]] = {}
    for entity, tag, row, _ in CASES:
        tables.setdefault(entity, []).append({**row, "source_system": tag})
    folder = write_rows(tmp_path_factory.mktemp("judged"), tables)
    warehouse = input_project.run("judged", folder, quarantine_max_share=1)
    assert warehouse.success, warehouse.messages()
    return warehouse


@pytest.fixture(scope="module")
def fates(judged: Warehouse) -> dict[str, tuple[str, str | None]]:
    entities = {entity for entity, _, _, _ in CASES}
    rows = judged.rows(
        " union all ".join(f"select source_system, disposition, reasons from conformed.validated_{e}" for e in entities)
    )
    assert len(rows) == len(CASES)
    return {row["source_system"]: (row["disposition"], row["reasons"]) for row in rows}


@pytest.mark.parametrize(("tag", "expected"), [(tag, expected) for _, tag, _, expected in CASES])
def test_fate(fates: dict[str, tuple[str, str | None]], tag: str, expected: tuple[str, str | None]) -> None:
    if tag.startswith(("copy-", "account_copy-", "copies_of_the_old-", "total_of_account-")):
        # which of two equal rows is the copy is not told apart
        group = tag.rsplit("-", 1)[0]
        wanted = [case[3] for case in CASES if case[1].rsplit("-", 1)[0] == group]
        found = [fates[case[1]] for case in CASES if case[1].rsplit("-", 1)[0] == group]
        assert sorted(map(str, found)) == sorted(map(str, wanted))
    else:
        assert fates[tag] == expected


def test_accounting_adds_up(judged: Warehouse) -> None:
    for row in judged.rows("select * from marts.input_accounting"):
        fates = [expected for entity, _, _, expected in CASES if entity == row["entity"]]
        assert row["rows_read"] == len(fates)
        assert row["is_supplied"] == bool(fates)
        for disposition in ("accepted", "quarantined", "superseded", "not_yet_known"):
            assert row[f"rows_{disposition}"] == sum(fate[0] == disposition for fate in fates), row["entity"]
        assert row["rows_parent_quarantined"] == sum(
            fate[1] in ("parent_quarantined", "parent_deleted") for fate in fates
        )
        assert row["rows_rejected_by_reader"] == 0
    subscriptions = judged.rows("select * from marts.input_accounting where entity = 'subscriptions'")[0]
    assert subscriptions["rows_of_test_accounts"] == 2
    assert subscriptions["rows_of_merged_accounts"] == 2  # of h0, and of the account merged into a test account
    assert str(subscriptions["newest_recorded_at"]) == "2025-06-30 23:59:59"


def test_conformed_and_quarantine_are_the_halves(judged: Warehouse) -> None:
    for entity in ("orders", "subscriptions", "usage_daily", "contacts", "contact_roles"):
        assert judged.value(f"select count(*) from quarantine.quarantine_{entity}") == sum(
            case[0] == entity and case[3][0] == "quarantined" for case in CASES
        )
        assert judged.value(f"select count(*) from conformed.{entity}") == judged.value(
            f"select count(*) from conformed.validated_{entity} where disposition = 'accepted' and not is_test_account"
        )
    assert judged.value("select count(*) from conformed.contact_roles where contact_id = 'c_test'") == 0
    assert judged.value("select count(*) from conformed.contacts where contact_id = 'c_test'") == 0


def test_quarantine_keeps_the_values_as_they_came(judged: Warehouse) -> None:
    raw = judged.value(
        "select raw_row ->> 'amount' from quarantine.quarantine_subscriptions where source_system = 'subscriptions-1'"
    )
    assert raw == "ten"
    assert (
        judged.value(
            "select count(*) from conformed.validated_orders where (raw_row is null) = (disposition = 'quarantined')"
        )
        == 0
    )


def test_merged_accounts_are_the_survivor_from_the_start(judged: Warehouse) -> None:
    identity = {row["source_account_id"]: row for row in judged.rows("select * from conformed.account_identity")}
    for hop in range(5):
        assert (identity[f"h{hop}"]["account_id"], identity[f"h{hop}"]["is_merged"]) == ("h5", True)
    assert (identity["h5"]["account_id"], identity["h5"]["is_merged"]) == ("h5", False)
    assert identity["before_merge"]["account_id"] == "before_merge"
    assert identity["behind_before_merge"]["account_id"] == "before_merge"
    assert identity["merged_later"]["account_id"] == "h5"
    assert identity["merge_not_yet_known"]["account_id"] == "merge_not_yet_known"
    assert identity["repaired_circle"]["account_id"] == "repaired_circle"
    assert identity["into_test"]["is_test_account"] and identity["t1"]["is_test_account"]
    assert "r1" not in identity and "nowhere" not in identity

    accounts = {row["account_id"] for row in judged.rows("select account_id from conformed.accounts")}
    assert "h5" in accounts and accounts.isdisjoint({"h0", "h4", "t1", "into_test", "r1", "deleted", "future"})
    (row,) = judged.rows(
        "select account_id, source_account_id from conformed.subscriptions where subscription_id = 'of_merged'"
    )
    assert (row["account_id"], row["source_account_id"]) == ("h5", "h0")
    # what describes a merged account is not the survivor's history
    assert judged.rows("select account_id from conformed.account_history") == [{"account_id": "h5"}]


def test_facts_after_the_as_of_date_are_not_known(judged: Warehouse) -> None:
    ends = {
        row["subscription_id"]: row["valid_to"]
        for row in judged.rows("select * from conformed.subscriptions where subscription_id like 'ends%'")
    }
    assert {key: str(value) for key, value in ends.items()} == {
        "ends_before_d": "2025-06-30", "ends_on_d": "2025-07-01", "ends_after_d": "None",
    }  # fmt: skip
    resolved = {
        row["ticket_id"]: str(row["resolved_at"])
        for row in judged.rows("select * from conformed.support_tickets where ticket_id like 'resolved%'")
    }
    assert resolved == {"resolved_before_d": "2025-06-30 23:59:59", "resolved_on_d": "None"}


def test_values_are_parsed_once_and_defaults_filled(judged: Warehouse) -> None:
    (account,) = judged.rows("select * from conformed.accounts where account_id = 'trimmed'")
    assert str(account["recorded_at"]) == "2023-12-31 23:59:59"
    assert judged.value("select currency from conformed.accounts where source_system = 'accounts-29'") == "CHF"
    sizes = dict(
        (row["employee_count"], row["company_size"])
        for row in judged.rows(
            "select employee_count, company_size from conformed.accounts where employee_count is not null"
        )
    )
    assert sizes == {3: "small", 2147483647: "large", 0: "small"}
    assert judged.value("select distinct quantity from conformed.subscriptions") == 1
    assert judged.value("select recorded_at from conformed.features where feature = 'search'").year == 1900
    (contact,) = judged.rows("select * from conformed.contacts where source_system = 'contacts-9'")
    assert str(contact["created_at"]) == "2024-01-01 08:00:00"


def test_data_tests_can_fail(judged: Warehouse, input_project: InputProject) -> None:
    """The key tests and the accounting test notice what they are there for."""
    broken = input_project.work / "broken"
    broken.mkdir()
    (broken / "bestand.duckdb").write_bytes(judged.database.read_bytes())
    with duckdb.connect(str(broken / "bestand.duckdb")) as connection:
        connection.execute(
            "insert into conformed.validated_orders select * from conformed.validated_orders where order_id = 'copy'"
        )
        connection.execute("update conformed.validated_costs set cost_id = null where disposition = 'accepted'")
        connection.execute(
            "update marts.input_accounting set rows_superseded = rows_superseded + 1 where entity = 'orders'"
        )
    result = input_project.run(
        "broken", None, command="test", select="orders costs contacts input_accounting", quarantine_max_share=1
    )
    failed = {line.split(".")[2] for line in result.messages().splitlines() if ": fail:" in line}
    assert len(failed) == 3, result.messages()
    assert any(name.startswith("unique_key_orders") for name in failed)
    assert any(name.startswith("unique_key_costs") for name in failed)
    assert any(name.startswith("rows_add_up") for name in failed)
