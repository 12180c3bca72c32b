"""The oracle of early warning against small cases worked out by hand, before it judges any model."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from oracle import DAY, FAR
from signal_oracle import Reading, SignalOptions, SignalOracle

START = dt.date(2025, 1, 1)
AS_OF = dt.date(2025, 12, 31)


def day(n: int) -> dt.date:
    """So many days after the account became a customer."""
    return START + n * DAY


def at(n: int, time: str = "12:00:00") -> dt.datetime:
    return dt.datetime.fromisoformat(f"{day(n)} {time}")


def subscription(**changes: Any) -> dict[str, Any]:
    row = {
        "subscription_id": "S",
        "account_id": "A",
        "valid_from": START,
        "amount": Decimal(100),
        "currency": "EUR",
        "billing_interval_months": 1,
    }
    return row | changes


def oracle(as_of: dt.date = AS_OF, **entities: list[dict[str, Any]]) -> SignalOracle:
    """One customer under contract from START on, unless told otherwise."""
    rows: dict[str, list[dict[str, Any]]] = {
        "accounts": [{"account_id": "A", "business_model": "b2b_contract"}],
        "subscriptions": [subscription()],
    }
    for entity, found in entities.items():
        rows[entity] = [{"account_id": "A", **row} for row in found]
    return SignalOracle(rows, SignalOptions(as_of))


def reading(found: SignalOracle, signal: str, n: int) -> Reading:
    return found.readings["A"][signal][day(n)]


def value(found: SignalOracle, signal: str, n: int) -> Fraction | None:
    return reading(found, signal, n).value


def fired(found: SignalOracle, signal: str) -> list[tuple[int, int | None, str]]:
    """The episodes of a signal, in days after the start."""
    return [
        ((e.fired_from - START).days, None if e.fired_to == FAR else (e.fired_to - START).days, e.end_cause)
        for e in found.episodes
        if e.signal == signal
    ]


def logins(days: list[int]) -> list[dict[str, Any]]:
    return [{"event_id": str(n), "event_name": "login", "occurred_at": at(d)} for n, d in enumerate(days)]


# --- customers -------------------------------------------------------------------------------------------------------


def test_a_customer_is_one_as_known_on_the_day() -> None:
    found = oracle(
        as_of=day(200),
        subscriptions=[
            subscription(recorded_at=at(9)),
            subscription(valid_to=day(50), recorded_at=at(59)),
            subscription(subscription_id="T", valid_from=day(100), valid_to=day(120)),
        ],
    )
    customer = [(d - START).days for d in found.customers["A"]]
    assert customer == [*range(10, 60), *range(100, 120)]
    assert {c.since for c in found.customers["A"].values()} == {day(10), day(100)}


def test_a_buyer_is_a_customer_until_a_contract_begins() -> None:
    found = oracle(
        as_of=day(200),
        subscriptions=[subscription(valid_from=day(90), valid_to=day(100))],
        orders=[{"order_id": "1", "ordered_at": at(10)}],
    )
    kinds = {(d - START).days: c.relationship for d, c in found.customers["A"].items()}
    assert kinds == dict.fromkeys(range(11, 90), "no_contract") | dict.fromkeys(range(90, 100), "contract")


def test_an_account_told_of_late_is_no_customer_before() -> None:
    accounts = [{"business_model": "b2b_contract", "recorded_at": at(20)}]
    assert min(oracle(accounts=accounts).customers["A"]) == day(21)


# --- usage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("now", "change", "fires"), [(71, "-0.29", False), (70, "-0.3", True), (69, "-0.31", True)])
def test_login_decline(now: int, change: str, fires: bool) -> None:
    found = oracle(
        usage_daily=[
            {"used_on": day(40), "feature": "login", "quantity": 100},
            {"used_on": day(60), "feature": "login", "quantity": now},
        ]
    )
    # on day 70 the windows are [42, 70) and [14, 42)
    assert value(found, "login_decline", 70) == Fraction(change)
    assert reading(found, "login_decline", 55) == Reading(False)  # a customer for 55 days
    # day 40 is in the earlier window from day 69 on, and day 60 leaves the later one on day 89
    assert value(found, "login_decline", 68) is None
    assert fired(found, "login_decline")[0][0] == (75 if fires else 95)  # six days more to confirm


def test_days_without_use_begin_with_the_contract() -> None:
    found = oracle(usage_events=logins([40]), features=[{"feature": "core", "is_core": True}])
    assert not reading(found, "paid_unused", 40).has_data  # nobody has ever used anything
    assert value(found, "paid_unused", 41) == 0
    assert value(found, "paid_unused", 71) == 30
    assert fired(found, "paid_unused") == [(71, None, "running")]
    assert not reading(found, "core_unused", 200).has_data


def test_use_of_nothing_is_no_use() -> None:
    uses = [
        {"used_on": day(3), "feature": "core", "quantity": 1},
        {"used_on": day(9), "feature": "core", "quantity": 0},
    ]
    found = oracle(usage_daily=uses, features=[{"feature": "core", "is_core": True}])
    assert value(found, "core_unused", 20) == value(found, "paid_unused", 20) == 16


def test_breadth_needs_the_core_to_run() -> None:
    before = [{"used_on": day(50), "feature": f, "quantity": 1} for f in ("core", "login", "x", "y")]
    after = [{"used_on": day(150), "feature": f, "quantity": 1} for f in ("core", "login", "x")]
    features = [{"feature": "core", "is_core": True}]
    found = oracle(usage_daily=before + after, features=features)
    assert not reading(found, "breadth_shrinks", 181).has_data
    assert value(
        oracle(
            usage_daily=[{**row, "used_on": row["used_on"] + 50 * DAY} for row in before + after], features=features
        ),
        "breadth_shrinks",
        220,
    ) == Fraction(-1, 2)
    # on day 230 both days of use lie in the earlier window, and the core does not run any more
    moved = [{**row, "used_on": row["used_on"] + 50 * DAY} for row in before]
    assert reading(oracle(usage_daily=moved, features=features), "breadth_shrinks", 192) == Reading(True, None)


def test_a_late_row_changes_nothing_before_it_was_told() -> None:
    uses = [{"used_on": day(3), "feature": "x", "quantity": 1}]
    late = [{"used_on": day(30), "feature": "x", "quantity": 1, "recorded_at": at(39)}]
    found = oracle(usage_daily=uses + late)
    assert value(found, "paid_unused", 39) == 35
    assert value(found, "paid_unused", 40) == 9
    assert fired(found, "paid_unused")[0] == (34, 40, "cleared")


def test_a_deletion_and_a_correction_hold_from_when_they_were_told() -> None:
    use = {"event_id": "u", "event_name": "x", "occurred_at": at(30)}
    found = oracle(
        usage_events=[
            {"event_id": "v", "event_name": "x", "occurred_at": at(3)},
            use,
            {**use, "occurred_at": at(20), "recorded_at": at(40)},
            {**use, "is_deleted": True, "recorded_at": at(50)},
        ]
    )
    assert [value(found, "paid_unused", n) for n in (30, 31, 40, 41, 50, 51)] == [26, 0, 9, 20, 29, 47]


def test_the_longest_silence_of_a_power_user() -> None:
    contacts = [{"contact_id": c, "created_at": at(-5)} for c in "pq"]
    contacts[1]["left_at"] = at(60)
    roles = [{"contact_id": c, "role": "power_user", "valid_from": START} for c in "pq"]
    uses = [
        {"contact_id": c, "used_on": day(n), "feature": "x", "quantity": 1}
        for c, n in [("p", 1), ("p", 50), ("q", 1), ("q", 5)]
    ]
    found = oracle(contacts=contacts, contact_roles=roles, usage_daily=uses)
    assert not reading(found, "power_user_silent", 5).has_data  # q used it on one day until then
    assert value(found, "power_user_silent", 60) == 54  # q since day 5
    assert value(found, "power_user_silent", 61) == 10  # q has left


# --- tickets and surveys ---------------------------------------------------------------------------------------------


def tickets(*days: int, **columns: Any) -> list[dict[str, Any]]:
    return [{"ticket_id": str(n), "opened_at": at(d), **columns} for n, d in enumerate(days)]


def test_ticket_spike() -> None:
    found = oracle(support_tickets=tickets(10, 20, 100, 101, 102))
    # on day 103: [75, 103) holds 3; the 75 days before held 2, in 28 days 56/75, which is less than 1
    assert reading(found, "ticket_spike", 103) == Reading(True, Fraction(3), Fraction(1))
    assert reading(found, "ticket_spike", 55) == Reading(True, Fraction(0), Fraction(1))  # a customer for too short
    assert reading(found, "ticket_spike", 56) == Reading(True, Fraction(0), Fraction(2))
    assert not reading(found, "ticket_spike", 10).has_data
    many = oracle(support_tickets=tickets(*range(100, 112), 210, 211, 212, 213))
    assert reading(many, "ticket_spike", 214) == Reading(True, Fraction(2), Fraction(2))


def test_a_ticket_stop_is_not_never_having_had_tickets() -> None:
    found = oracle(support_tickets=tickets(10, 20, 30, 189))
    assert value(found, "tickets_stopped", 189) is None  # 3 tickets
    assert reading(found, "tickets_stopped", 190) == Reading(True, Fraction(0), Fraction(4))  # days 10 to 189
    assert value(oracle(support_tickets=tickets(10, 20, 30, 190)), "tickets_stopped", 191) is None
    assert fired(found, "tickets_stopped") == [(280, None, "running")]
    later = oracle(as_of=day(500), support_tickets=tickets(10, 20, 30, 189))
    assert fired(later, "tickets_stopped") == [(280, 460, "cleared")]  # after 270 days it says nothing any more


def test_complaints_and_slow_answers() -> None:
    rows = tickets(10, 50, is_complaint=True)
    rows[0] |= {"first_response_at": at(12), "resolved_at": at(30)}  # exactly two days
    rows.append({"ticket_id": "other", "opened_at": at(5), "first_response_at": at(5), "resolved_at": at(5)})
    rows[1] |= {"first_response_at": at(52, "12:00:01")}
    found = oracle(support_tickets=rows)
    assert [value(found, "complaint_open", n) for n in (11, 30, 31, 51, 60)] == [1, 20, 0, 1, 10]
    assert not reading(found, "complaint_open", 10).has_data  # none is known to be one yet
    assert not reading(found, "slow_answers", 5).has_data  # no answer seen anywhere yet
    assert [value(found, "slow_answers", n) for n in (13, 52, 53, 80, 81)] == [0, 0, 1, 1, 0]


def survey(kind: str, n: int, score: int | None, **columns: Any) -> dict[str, Any]:
    sent = at(n, "08:00:00")
    return {
        "response_id": f"{kind}{n}{score}",
        "survey": kind,
        "sent_at": sent,
        "responded_at": at(n),
        "score": score,
    } | columns


def test_satisfaction() -> None:
    found = oracle(
        survey_responses=[
            survey("nps", 10, 9), survey("nps", 20, 6), survey("nps", 20, 8), survey("csat", 20, 2),
            survey("csat", 30, 3, responded_at=at(40)),
        ]
    )  # fmt: skip
    assert not reading(found, "nps_drop", 20).has_data
    assert value(found, "nps_detractor", 20) == 9
    assert (value(found, "nps_drop", 21), value(found, "nps_detractor", 21)) == (-2, 7)
    assert [reading(found, "nps_drop", n).has_data for n in (200, 201)] == [True, False]
    assert [value(found, "csat_low", n) for n in (40, 41, 110, 111)] == [2, Fraction(5, 2), Fraction(5, 2), 3]


# --- people ----------------------------------------------------------------------------------------------------------


def test_departures() -> None:
    contacts = [{"contact_id": c, "created_at": at(-5)} for c in "abc"]
    contacts[0]["left_at"] = at(20)
    roles = [
        {"contact_id": "a", "role": "champion", "valid_from": START, "valid_to": day(21)},
        {"contact_id": "b", "role": "champion", "valid_from": START, "valid_to": day(40)},
        {"contact_id": "b", "role": "decision_maker", "valid_from": day(30)},
        {"contact_id": "c", "role": "decision_maker", "valid_from": START, "valid_to": day(50)},
    ]
    found = oracle(contacts=contacts, contact_roles=roles)
    # a leaves; b holds the other role on; c stays without one
    assert [value(found, "champion_left", n) for n in (20, 21, 41, 50, 51, 200, 201, 231)] == [0, 1, 1, 1, 2, 2, 1, 0]


# --- engagement ------------------------------------------------------------------------------------------------------


def test_no_purchase_is_for_customers_without_contract() -> None:
    orders = [{"order_id": "1", "ordered_at": at(0)}]
    found = oracle(as_of=day(400), subscriptions=[], orders=orders)
    assert fired(found, "no_purchase") == [(366, None, "running")]
    assert not reading(oracle(orders=orders), "no_purchase", 100).has_data


def test_emails() -> None:
    rows = [{"message_id": str(n), "channel": "email", "sent_at": at(n)} for n in (1, 5, 10, 15)]
    rows[1]["opened_at"] = at(30)
    rows[2]["unsubscribed_at"] = at(40)
    found = oracle(messages=rows)
    assert [value(found, "email_disengaged", n) for n in (2, 8, 9, 13, 18, 23, 31)] == [0, 0, 1, 2, 3, 4, 2]
    assert [reading(found, "email_disengaged", n).has_data for n in (1, 195, 196)] == [False, True, False]
    assert [value(found, "newsletter_unsubscribed", n) for n in (40, 41, 130, 131)] == [0, 1, 1, 0]


# --- contract --------------------------------------------------------------------------------------------------------


def test_the_end_of_a_contract() -> None:
    found = oracle(subscriptions=[subscription(auto_renews=False, contract_end_on=day(100))])
    assert fired(found, "contract_ending") == [(40, 100, "cleared")]
    both = [subscription(auto_renews=False, contract_end_on=day(100)), subscription(subscription_id="T")]
    assert reading(oracle(subscriptions=both), "contract_ending", 90) == Reading(True, None)
    assert not reading(oracle(), "contract_ending", 90).has_data


def test_cancelled_but_running() -> None:
    notice = oracle(subscriptions=[subscription(notice_given_on=day(50), valid_to=day(80))])
    assert fired(notice, "cancelled_running") == [(50, 80, "left")]
    requested = {"cancellation_id": "1", "requested_on": day(20), "effective_on": day(40)}
    assert fired(oracle(cancellations=[requested]), "cancelled_running") == [(21, 40, "cleared")]


def test_overdue_invoices() -> None:
    invoices = [
        {"invoice_id": "1", "issued_on": day(10), "due_on": day(24), "paid_on": day(50), "amount": 10},
        {"invoice_id": "2", "issued_on": day(30), "due_on": day(44), "amount": 10, "status": "failed"},
        {"invoice_id": "3", "issued_on": day(1), "due_on": day(2), "amount": -10},
    ]
    found = oracle(invoices=invoices)
    assert [value(found, "payment_failed", n) for n in (24, 25, 38, 50, 51)] == [0, 1, 14, 26, 7]
    # cleared below 1 day only: on day 51 the other one is overdue for 7 days
    assert fired(found, "payment_failed") == [(38, None, "running")]


def test_onboarding() -> None:
    accounts = [{"account_id": name, "business_model": "b2b_contract"} for name in "AB"]
    other = {"milestone_id": "b", "account_id": "B", "milestone": "onboarding_completed", "occurred_at": at(-1)}
    own = {"milestone_id": "a", "milestone": "onboarding_completed", "occurred_at": at(50)}
    found = oracle(accounts=accounts, milestones=[other, own])
    assert [value(found, "onboarding_incomplete", n) for n in (0, 30, 50, 51)] == [0, 30, 50, None]
    assert fired(found, "onboarding_incomplete") == [(30, 51, "cleared")]
    assert [value(oracle(accounts=accounts, milestones=[other]), "onboarding_incomplete", n) for n in (119, 120)] == [
        119,
        None,
    ]


# --- fired or not, labels --------------------------------------------------------------------------------------------


def test_a_signal_stays_fired_until_it_has_been_over_for_so_long() -> None:
    """Log-ins a day over weeks: 10, then 6 (fires), then up again for shorter and longer than the 7 days of hold."""
    found = oracle(usage_events=logins([n for n in range(300) for _ in range(10 if n < 100 else 6 if n < 200 else 10)]))
    values = {n: value(found, "login_decline", n) for n in range(56, 300)}
    first = next(n for n, v in values.items() if v is not None and v <= Fraction(-3, 10)) + 6
    over = next(n for n, v in values.items() if n > first and v is not None and v > Fraction(-15, 100))
    assert fired(found, "login_decline")[0] == (first, over + 7, "cleared")


def test_no_data_and_a_new_contract_end_what_was_fired() -> None:
    rows = [subscription(valid_to=day(100)), subscription(subscription_id="T", valid_from=day(100), valid_to=day(150))]
    rows += [subscription(subscription_id="U", valid_from=day(160))]
    found = oracle(subscriptions=rows, survey_responses=[survey("csat", 20, 1), survey("csat", 140, 1)])
    assert fired(found, "csat_low") == [(21, 111, "cleared"), (141, 150, "left"), (160, 231, "cleared")]


def test_labels() -> None:
    def states(*rows: dict[str, Any]) -> dict[int, tuple[str, dt.date | None]]:
        labels = oracle(subscriptions=list(rows)).churn_labels()
        return {
            row["grid_date"].month: (row["state"], row["churned_on"] if row["state"] == "churned" else None)
            for row in labels
        }

    ends = dt.date(2025, 7, 15)
    gone = states(subscription(valid_to=ends))
    assert gone[3] == ("stayed", None)  # the horizon of 1 March ends on 29 June
    assert gone[4] == gone[5] == gone[6] == ("churned", ends)
    assert gone[7] == ("left_in_lead", None)
    back = states(subscription(valid_to=ends), subscription(subscription_id="T", valid_from=dt.date(2025, 8, 1)))
    assert back[4] == ("churned", ends)  # not known on 30 July, when the horizon of 1 April ends
    assert back[5] == ("stayed", None)
    late = states(subscription(valid_to=ends), subscription(subscription_id="T", valid_from=dt.date(2025, 8, 2)))
    assert late[5] == ("churned", ends)
    told = states(subscription(auto_renews=False, contract_end_on=ends, valid_to=ends))
    assert told[4] == ("known_end", None)
    assert [state for state, _ in states(subscription()).values()] == ["stayed"] * 9 + ["open"] * 3
