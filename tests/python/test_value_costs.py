"""Revenue by day, who bears which cost, what keeping and winning customers costs: cases worked by hand, in one input.

The cases do not meet: each has months, channels and accounts of its own. Figures in the comments are the hand
calculation; shares are rounded cumulatively in the order of the accounts (metrics.md section 7).
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from project import Warehouse, build_files, dbt, write_entity

SELECTED = "+retention_cost +acquisition_cost +planned_relationship_clv"
Row = Mapping[str, Any]


def account(account_id: str, **more: Any) -> Row:
    return {"account_id": account_id, "acquired_on": "2023-01-01", **more}


def cost(kind: str, start: str, end: str, amount: float, **more: Any) -> Row:
    return {"period_start": start, "period_end": end, "kind": kind, "amount": amount, "currency": "EUR", **more}


def order(account_id: str, ordered_at: str, amount: float, **more: Any) -> Row:
    return {"account_id": account_id, "ordered_at": ordered_at, "amount": amount, "currency": "EUR", **more}


def subscription(account_id: str, valid_from: str, amount: float, **more: Any) -> Row:
    return {
        "subscription_id": f"S-{account_id}", "account_id": account_id, "valid_from": valid_from, "amount": amount,
        "currency": "EUR", "billing_interval_months": 1, **more,
    }  # fmt: skip


def write(folder: Path, entity: str, rows: Iterable[Row], key: str | None = None) -> None:
    """The rows of all cases as one file; a key that means nothing is numbered."""
    numbered = [{**({key: f"{entity}-{number}"} if key else {}), **row} for number, row in enumerate(rows)]
    columns = list(dict.fromkeys(name for row in numbered for name in row))
    write_entity(folder, entity, numbered, columns)


# --- ann, bob and cyd share the costs of the first quarter of 2024 ---
SHARING_ACCOUNTS = [
    account("ann", gross_margin=0.8),
    account("bob", currency="USD"),  # the var gross_margin, 0.75
    account("cyd", gross_margin=0.5),
]
SHARING_SUBSCRIPTIONS = [
    subscription("ann", "2024-01-01", 100, valid_to="2024-04-01"),
    subscription("bob", "2024-01-16", 100, list_amount=120, currency="USD", valid_to="2024-03-01"),
]
SHARING_ORDERS = [order("cyd", "2024-02-10 12:00:00", 60, discount_amount=5, returned_amount=10)]
SHARING_TICKETS = [
    {"account_id": "ann", "opened_at": "2024-01-20 09:00:00"},
    {"account_id": "bob", "opened_at": "2024-01-21 09:00:00"},
    {"account_id": "bob", "opened_at": "2024-01-31 23:59:59"},
    {"account_id": "cyd", "opened_at": "2024-03-01 00:00:00"},
]
SHARING_COSTS = [
    # 91 days: 31 in January, 29 in February, 31 in March
    cost("service", "2024-01-01", "2024-04-01", 91, category="team"),
    cost("service", "2024-01-16", "2024-01-16", 10, category="team", account_id="bob", currency="USD"),
    cost("retention", "2024-01-01", "2024-04-01", 91, category="team"),
    cost("retention", "2024-02-01", "2024-03-01", -10, category="rewards"),
    cost("retention", "2024-03-05", "2024-03-06", -4, category="rewards", account_id="cyd"),
]
SHARING_INVOICES = [
    {"account_id": "ann", "issued_on": "2024-01-05", "amount": 300, "currency": "EUR", "status": "paid"},
    {"account_id": "ann", "issued_on": "2024-02-07", "amount": -20, "currency": "EUR", "status": "open"},
    {"account_id": "ann", "issued_on": "2024-02-15", "amount": 70, "currency": "EUR", "status": "open"},
    {
        "account_id": "bob", "issued_on": "2024-01-16", "amount": 100, "currency": "USD", "status": "paid",
        "refunded_amount": 10,
    },
    {
        "account_id": "bob", "issued_on": "2024-01-16", "amount": 999, "currency": "USD", "status": "void",
        "refunded_amount": 999,
    },
]  # fmt: skip

# --- eve and fay are billed across the ends of months ---
ACCRUAL_SUBSCRIPTIONS = [
    subscription("eve", "2025-01-31", 10, valid_to="2025-04-30"),
    subscription("fay", "2025-01-15", 1000, billing_interval_months=12),
]

# --- two buyers and a contract customer are won in the third quarter of 2025 ---
WON_ACCOUNTS = [
    account("pat", acquisition_channel="partner", gross_margin=1),
    account("sam", acquisition_channel="social", gross_margin=0.35),
    account("sue", acquisition_channel="social", gross_margin=0.42),
]
WON_SUBSCRIPTIONS = [subscription("pat", "2025-07-10", 20)]
WON_ORDERS = [
    order("sam", "2025-08-05 10:00:00", 60, cost_amount=39),
    order("sam", "2025-10-05 10:00:00", 200, cost_amount=199),
    order("sue", "2025-09-20 10:00:00", 50),
]
WON_COSTS = [
    cost("acquisition", "2025-07-01", "2025-10-01", 60, channel="social"),
    cost("acquisition", "2025-07-01", "2025-10-01", 50, channel="social", currency="USD"),
    cost("acquisition", "2025-07-01", "2025-08-01", 30, account_id="pat"),
    cost("acquisition", "2025-09-01", "2025-10-01", 30),
    cost("acquisition", "2025-08-01", "2025-09-01", 25, channel="fair"),
]

# --- The Daily Grind: 700 active members in the first quarter of 2026, ten in the second ---
MEMBERS = [f"member-{number:03}" for number in range(700)]
SLEEPERS = [f"sleeper-{number:02}" for number in range(30)]  # members who bought nothing
LEAVERS = [f"leaver-{number:02}" for number in range(5)]  # bought, but were members until the year before
GUESTS = [f"guest-{number:02}" for number in range(50)]  # bought, but were never members
GRIND_ACCOUNTS = [*(account(name) for name in [*MEMBERS[1:], *SLEEPERS, *LEAVERS, *GUESTS])]
GRIND_ACCOUNTS.append(account(MEMBERS[0], currency="USD"))
GRIND_ORDERS = [
    *(
        order(name, f"{dt.date(2026, 1, 1) + dt.timedelta(days=number % 90)} 10:00:00", 5)
        for number, name in enumerate([*MEMBERS, *LEAVERS, *GUESTS])
    ),
    *(order(name, "2026-04-01 00:00:00", 5) for name in MEMBERS[:10]),
]
GRIND_MEMBERSHIPS = [
    *({"account_id": name, "valid_from": "2025-11-01"} for name in [*MEMBERS[1:], *SLEEPERS]),
    {"account_id": MEMBERS[0], "valid_from": "2026-03-31"},
    *({"account_id": name, "valid_from": "2025-11-01", "valid_to": "2026-01-01"} for name in LEAVERS),
]
GRIND_COSTS = [
    cost("retention", "2026-01-01", "2026-04-01", 5000, category="team"),
    cost("retention", "2026-01-01", "2026-04-01", 900, category="software"),
    cost("retention", "2026-01-01", "2026-04-01", 2500, category="rewards"),
    cost("retention", "2026-04-01", "2026-07-01", 300, category="team"),
    cost("retention", "2026-04-01", "2026-07-01", -500, category="rewards"),
]
GRIND_OFFERS = [
    {
        "account_id": MEMBERS[0], "kind": kind, "amount": 100, "is_accepted": accepted,
        "offered_at": "2026-05-01 10:00:00", "decided_at": "2026-05-05 10:00:00",
    }
    for kind, accepted in (("win_back", True), ("win_back", False), ("upsell", True))
]  # fmt: skip

RATES = [
    {"currency": "USD", "quote_currency": "EUR", "rate_on": day, "rate": rate}
    for day, rate in (
        ("2024-01-16", 0.9), ("2024-02-16", 0.8), ("2025-07-01", 0.8), ("2026-05-05", 0.8),
    )
]  # fmt: skip


@pytest.fixture(scope="session")
def value_input(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("value") / "files"
    write(folder, "accounts", [*SHARING_ACCOUNTS, account("eve"), account("fay"), *WON_ACCOUNTS, *GRIND_ACCOUNTS])
    write(folder, "subscriptions", [*SHARING_SUBSCRIPTIONS, *ACCRUAL_SUBSCRIPTIONS, *WON_SUBSCRIPTIONS])
    write(folder, "orders", [*SHARING_ORDERS, *WON_ORDERS, *GRIND_ORDERS], "order_id")
    write(folder, "support_tickets", SHARING_TICKETS, "ticket_id")
    write(folder, "costs", [*SHARING_COSTS, *WON_COSTS, *GRIND_COSTS], "cost_id")
    write(folder, "invoices", SHARING_INVOICES, "invoice_id")
    write(folder, "offers", GRIND_OFFERS, "offer_id")
    write(folder, "loyalty_memberships", [{"programme": "beans", **row} for row in GRIND_MEMBERSHIPS])
    write(folder, "fx_rates", RATES)
    return folder


@pytest.fixture(scope="session")
def accrued(tmp_path_factory: pytest.TempPathFactory, value_input: Path) -> Warehouse:
    work = tmp_path_factory.mktemp("accrued")
    warehouse = build_files(work, value_input, "2026-07-01", select=SELECTED, gross_margin=0.75)
    assert warehouse.success, warehouse.messages()
    return warehouse


@pytest.fixture(scope="session")
def invoiced(tmp_path_factory: pytest.TempPathFactory, value_input: Path) -> Warehouse:
    """As invoiced, and as of a day within a month."""
    work = tmp_path_factory.mktemp("invoiced")
    warehouse = build_files(
        work, value_input, "2024-02-15", select=SELECTED,
        revenue_basis="invoiced", acquisition_cost_grain="month", gross_margin=0.75,
    )  # fmt: skip
    assert warehouse.success, warehouse.messages()
    return warehouse


def value_months(warehouse: Warehouse, *accounts: str) -> list[tuple[Any, ...]]:
    rows = warehouse.rows(
        "select account_id, month_start::text as m, revenue, discounts, refunds, cost_to_serve, retention_cost,"
        " contribution from intermediate.int_account_value_months order by account_id, month_start"
    )
    return [tuple(row.values()) for row in rows if row["account_id"] in accounts]


def as_decimals(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Written as text, so that no figure passes through a double."""
    return [(*row[:2], *(Decimal(value) for value in row[2:])) for row in rows]


def test_costs_shared_by_tickets_and_active_days(accrued: Warehouse) -> None:
    # Service, January: 31 by tickets 1 : 2; 9 (10 USD) name bob. February, no tickets: 29 by active days 29 : 29 : 20.
    # March: 31 to cyd, whose ticket is the only one.
    # Retention, January: 31 by days 31 : 16. February: 29 - 10 by days 29 : 29 : 20. March: ann alone is in scope, as
    # bob has left and cyd has not bought; the credit of 4 names cyd.
    # bob's revenue: 16 of 31 days of 90 EUR, then the rest of it and 14 of 29 days of 80 EUR.
    assert value_months(accrued, "ann", "bob", "cyd") == as_decimals([
        # revenue, discounts, refunds, service, retention, contribution
        ("ann", "2024-01-01", "100", "0", "0", "10.3333", "20.4468", "49.2199"),
        ("ann", "2024-02-01", "100", "0", "0", "10.7821", "7.0641", "62.1538"),
        ("ann", "2024-03-01", "100", "0", "0", "0", "31", "49"),
        ("bob", "2024-01-01", "46.4516", "9.2903", "9", "29.6667", "10.5532", "-12.1312"),
        ("bob", "2024-02-01", "82.1691", "16.4338", "0", "10.7820", "7.0641", "43.7807"),
        ("cyd", "2024-02-01", "60", "5", "10", "7.4359", "4.8718", "12.6923"),
        ("cyd", "2024-03-01", "0", "0", "0", "31", "-4", "-27"),
    ])  # fmt: skip


def test_revenue_as_invoiced_up_to_a_day_within_a_month(invoiced: Warehouse) -> None:
    # Of February 14 days have passed: 14 of service by active days 14 : 14 : 5; of retention 14 less 10 x 14 / 29, that
    # is 9.1724, by the same days: 3.8913, 7.7826 - 3.8913, 9.1724 - 7.7826. The invoice of that day is not known yet.
    assert value_months(invoiced, "ann", "bob", "cyd") == as_decimals([
        ("ann", "2024-01-01", "300", "0", "0", "10.3333", "20.4468", "209.2199"),
        ("ann", "2024-02-01", "-20", "0", "0", "5.9394", "3.8913", "-25.8307"),
        ("bob", "2024-01-01", "90", "0", "9", "29.6667", "10.5532", "20.5301"),
        ("bob", "2024-02-01", "0", "0", "0", "5.9394", "3.8913", "-9.8307"),
        ("cyd", "2024-02-01", "60", "5", "10", "2.1212", "1.3898", "21.4890"),
    ])  # fmt: skip


def test_revenue_accrues_across_the_ends_of_months(accrued: Warehouse) -> None:
    # From the 31st: 1 of 28 days; the other 27 and 1 of 31; the other 30 and 1 of 30; the other 29. Together 3 x 10.
    months = [(row[1], row[2]) for row in value_months(accrued, "eve")]
    assert months == [
        ("2025-01-01", Decimal("0.3571")),
        ("2025-02-01", Decimal("9.9655")),
        ("2025-03-01", Decimal("10.0107")),
        ("2025-04-01", Decimal("9.6667")),
    ]
    # 1,000 a year is an MRR of 83.3333: 12 x 83.3333, and 167 of 365 days of the second year
    yearly = value_months(accrued, "fay")
    assert yearly[0][1:3] == ("2025-01-01", Decimal("46.5753"))
    assert sum(row[2] for row in yearly) == Decimal("999.9996") + Decimal("457.5341")
    assert len(yearly) == 18


def test_the_daily_grind(accrued: Warehouse) -> None:
    rows = accrued.rows(
        "select category, is_complete, scope, customers_active, cost, cost_per_active_customer, revenue_caused"
        " from marts.retention_cost where period_grain = 'quarter' and period_start = date '2026-01-01'"
        " order by category"
    )
    assert [tuple(row.values()) for row in rows] == [
        (category, True, "members", 700, Decimal(amount), Decimal(each), Decimal(0))
        for category, amount, each in (
            ("all", "8400", "12.0000"),
            ("rewards", "2500", "3.5714"),
            ("software", "900", "1.2857"),
            ("team", "5000", "7.1429"),
        )
    ]


def test_a_programme_may_cost_less_than_nothing(accrued: Warehouse) -> None:
    # 300 spent, 500 booked to the programme, and the accepted win-back of 100 USD: 80. Ten members bought.
    rows = accrued.rows(
        "select category, customers_active, cost, revenue_caused, net_cost, net_cost_per_active_customer as each"
        " from marts.retention_cost where period_grain = 'quarter' and period_start = date '2026-04-01'"
        " order by category"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("all", 10, 300, 580, -280, -28),
        ("rewards", 10, 0, 500, -500, -50),
        ("team", 10, 300, 0, 300, 30),
    ]


def test_without_members_the_cost_is_that_of_all_customers(accrued: Warehouse) -> None:
    rows = accrued.rows(
        "select scope, customers_active, cost, cost_per_active_customer, revenue_caused, net_cost_per_active_customer"
        " from marts.retention_cost"
        " where period_grain = 'quarter' and period_start = date '2024-01-01' and category = 'all'"
    )
    # 91 / 3 and (91 - 14) / 3
    assert [tuple(row.values()) for row in rows] == [
        ("customers", 3, 91, Decimal("30.3333"), 14, Decimal("25.6667")),
    ]


def test_acquisition_cost_payback_and_the_loss_on_the_first_order(accrued: Warehouse) -> None:
    # social: 60 + 50 USD x 0.8 = 100 for two customers. First orders leave 60 - 39 and 50 x 0.42, 21 each: 29 are lost
    # on each first order. Contributions: 21 + 21 in the first months, 70 in sam's third: 112 >= 100.
    # pat: 30 name it, 14.1935 + 20 bring them back.
    rows = accrued.rows(
        "select channel, spend, customers_won, cac, payback_months,"
        " first_orders, first_order_margin, first_order_result"
        " from marts.acquisition_cost where period_grain = 'quarter' order by channel"
    )
    none = None
    assert [tuple(row.values()) for row in rows] == [
        # 185 are recovered by 56.1935 in the first months, 20, 89.8065 and pat's October, 20.1935: 186.1935
        ("all", 185, 3, Decimal("61.6667"), 4, 2, 21, Decimal("-40.6667")),
        ("fair", 25, 0, none, none, 0, none, none),
        ("partner", 30, 1, 30, 2, 0, none, none),
        ("social", 100, 2, 50, 3, 2, 21, -29),
        ("unknown", 30, 0, none, none, 0, none, none),
    ]


def test_what_each_customer_cost_and_when_it_came_back(accrued: Warehouse) -> None:
    # 30 of no channel are shared by the three customers of the quarter.
    rows = accrued.rows(
        "select account_id, won_on::text as won_on, acquisition_channel,"
        " acquisition_cost, payback_month, unrecovered_cost"
        " from intermediate.int_account_acquisition"
        " where account_id in ('ann', 'pat', 'sam', 'sue') order by account_id"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("ann", "2024-01-01", "unknown", None, None, None),  # nothing was spent in that quarter: no data
        ("pat", "2025-07-10", "partner", 40, 3, 0),  # 54 by the third month
        ("sam", "2025-08-05", "social", 60, 3, 0),  # 21 + 70
        ("sue", "2025-09-20", "social", 60, None, 39),  # 21
    ]


def test_without_acquisition_costs_there_is_nothing_to_say(invoiced: Warehouse) -> None:
    assert invoiced.value("select count(*) from marts.acquisition_cost") == 0
    assert invoiced.value("select count(*) from intermediate.int_account_acquisition") == 3
    assert invoiced.value("select count(acquisition_cost) from intermediate.int_account_acquisition") == 0


def test_the_machine_builder(accrued: Warehouse) -> None:
    # A machine in years 0, 5 and 10 leaves 8,000, maintenance in years 1 to 10 leaves 400, at 10 % a year:
    #   8,000 x (1 + 1 / 1.61051 + 1 / 2.5937424601) = 16,051.7169
    #     400 x (1 - 1 / 2.5937424601) / 0.1         =  2,457.8268
    (row,) = accrued.rows("select * from marts.planned_relationship_clv where relationship_type = 'machine_builder'")
    assert (row["years"], row["currency"], row["discount_rate"]) == (10, "EUR", Decimal("0.1"))
    assert (row["revenue"], row["service_cost"], row["contribution"]) == (40000, 12000, 28000)
    assert row["clv"] == Decimal("18509.5437")
    rate = Decimal("1.1")
    left = {year: (8000 if year % 5 == 0 else 0) + (400 if year else 0) for year in range(11)}
    assert abs(row["clv"] - sum(amount / rate**year for year, amount in left.items())) < Decimal("0.0001")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("every_years = -5 where item = 'machine'", "planned_relationships_rules"),
        ("discount_rate = 0.2 where item = 'maintenance'", "planned_relationships_agree"),
        ("item = 'machine'", "planned_relationships_key"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused(tmp_path: Path, accrued: Warehouse, change: str, said: str) -> None:
    database = tmp_path / "bestand.duckdb"
    shutil.copy(accrued.database, database)
    with duckdb.connect(str(database)) as connection:
        connection.execute(f"update seeds.planned_relationships set {change}")
    tested = dbt(
        tmp_path, "test", "--select", "planned_relationships", "--indirect-selection", "buildable",
        variables={"as_of_date": "2026-07-01"}, database=database,
    )  # fmt: skip
    assert not tested.success
    failed = [line.split(".")[2].split(":")[0] for line in tested.messages().splitlines() if line.startswith("test.")]
    assert failed == [said]
