"""The oracle of customer value on cases worked by hand, and the mixed base it is used on."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from clv_reference import BgNbd, GammaGamma, Sbg, contract_months, discounted_purchases, expected_spend, sbg_survival
from oracle import total
from value_histories import AS_OF, STORIES, value_base
from value_oracle import Models, ValueOptions, ValueOracle, allocate, spread

SBG, BGNBD, GAMMA_GAMMA = Sbg(0.7, 3.8), BgNbd(0.8, 10.0, 0.8, 3.0), GammaGamma(6.0, 4.0, 50.0)
MODELS = Models(lambda account_id: SBG, lambda account_id: BGNBD, lambda account_id: GAMMA_GAMMA)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def account(account_id: str, **values: Any) -> dict[str, Any]:
    return {"account_id": account_id, "acquired_on": day("2024-01-01")} | values


def version(account_id: str, start: str, amount: str, **values: Any) -> dict[str, Any]:
    defaults = {"subscription_id": f"s-{account_id}", "currency": "EUR", "billing_interval_months": 1}
    return defaults | {"account_id": account_id, "valid_from": day(start), "amount": Decimal(amount)} | values


def order(order_id: str, account_id: str, at: str, amount: str, **values: Any) -> dict[str, Any]:
    moment = dt.datetime.fromisoformat(f"{at}T12:00:00")
    row = {"order_id": order_id, "account_id": account_id, "ordered_at": moment, "amount": Decimal(amount)}
    return row | {"currency": "EUR"} | values


def cost(cost_id: str, start: str, end: str, kind: str, amount: str, **values: Any) -> dict[str, Any]:
    row = {"cost_id": cost_id, "period_start": day(start), "period_end": day(end), "kind": kind}
    return row | {"amount": Decimal(amount), "currency": "EUR"} | values


def ticket(ticket_id: str, account_id: str, at: str) -> dict[str, Any]:
    return {"ticket_id": ticket_id, "account_id": account_id, "opened_at": dt.datetime.fromisoformat(f"{at}T09:00:00")}


def oracle(as_of: str, models: Models = MODELS, options: dict[str, Any] | None = None, **inputs: Any) -> ValueOracle:
    return ValueOracle({"subscriptions": [], **inputs}, ValueOptions(as_of=day(as_of), **options or {}), models)


def money(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]


# --- amounts over days and accounts --------------------------------------------------------------------------------


def test_an_amount_is_spread_to_the_last_ten_thousandth() -> None:
    parts = spread(Decimal("100"), day("2024-01-31"), day("2024-03-02"), day("2024-01-31"), day("2024-03-02"))
    # 31 days: 1 in January, 29 in February, 1 in March; 100 / 31 = 3.2258, 3,000 / 31 = 96.7742
    assert list(parts.items()) == [
        (day("2024-01-01"), Decimal("3.2258")),
        (day("2024-02-01"), Decimal("93.5484")),
        (day("2024-03-01"), Decimal("3.2258")),
    ]
    credit = spread(Decimal("-100"), day("2024-01-31"), day("2024-03-02"), day("2024-01-31"), day("2024-02-10"))
    assert list(credit.values()) == money("-3.2258", "-29.0323")


def test_a_pool_is_split_without_loss() -> None:
    assert allocate(Decimal("100"), {"c": 1, "a": 1, "b": 1}) == dict(
        zip("abc", money("33.3333", "33.3334", "33.3333"), strict=True)
    )
    assert allocate(Decimal("-0.0002"), {"a": 1, "b": 3}) == dict(zip("ab", money("-0.0001", "-0.0001"), strict=True))


# --- the past --------------------------------------------------------------------------------------------------------


def test_revenue_accrues_by_day_within_billing_intervals() -> None:
    found = oracle(
        "2025-03-11",
        accounts=[account("a")],
        subscriptions=[version("a", "2024-12-31", "31", list_amount=Decimal("40"), valid_to=day("2025-03-06"))],
    ).revenue_months
    # intervals from 12-31, 01-31, 02-28 (counted from 12-31, so never from 02-28) to 03-31, cut on 03-06
    assert {month.isoformat(): (cell["revenue"], cell["discounts"]) for (_, month), cell in found.items()} == {
        "2024-12-01": (Decimal("1.0000"), Decimal("0.2903")),
        "2025-01-01": (Decimal("31.1071"), Decimal("9.0311")),  # 30 days of 31 / 31, and one of 31 / 28
        "2025-02-01": (Decimal("30.8929"), Decimal("8.9689")),  # 27 days of 31 / 28 and one of 31 / 31
        "2025-03-01": (Decimal("5.0000"), Decimal("1.4516")),
    }


def test_refunds_and_returns_count_once() -> None:
    value = oracle(
        "2025-01-01",
        accounts=[account("a", gross_margin=Decimal("0.5"))],
        orders=[order("o", "a", "2024-03-05", "100", returned_amount=Decimal("30"), discount_amount=Decimal("7"))],
        invoices=[
            {"invoice_id": "i", "account_id": "a", "issued_on": day("2024-04-02"), "amount": 5, "currency": "EUR",
             "refunded_amount": Decimal("5")},
            {"invoice_id": "j", "account_id": "a", "issued_on": day("2024-04-02"), "amount": 5, "currency": "EUR",
             "refunded_amount": Decimal("5"), "status": "void"},
        ],
    ).account_clv()["a"]  # fmt: skip
    names = ("historic_revenue", "historic_discounts", "historic_refunds", "historic_clv")
    assert [value[name] for name in names] == money("100.0000", "7.0000", "35.0000", "32.5000")


def test_invoices_are_the_truth_where_asked() -> None:
    invoice = {"account_id": "a", "issued_on": day("2024-04-02"), "currency": "EUR"}
    found = oracle(
        "2025-01-01",
        options={"revenue_basis": "invoiced"},
        accounts=[account("a")],
        subscriptions=[version("a", "2024-04-01", "31")],
        invoices=[invoice | {"invoice_id": "i", "amount": 31}, invoice | {"invoice_id": "j", "amount": -11}],
    ).revenue_months
    assert {key[1].isoformat(): cell["revenue"] for key, cell in found.items()} == {"2024-04-01": Decimal("20.0000")}


def test_service_goes_by_tickets_then_by_activity_and_retention_by_members() -> None:
    costs = [
        cost("1", "2024-03-01", "2024-04-01", "service", "90"),
        cost("2", "2024-04-01", "2024-05-01", "service", "90"),
        cost("3", "2024-04-01", "2024-05-01", "retention", "10", account_id="a"),
        cost("4", "2024-04-01", "2024-05-01", "retention", "60"),
        cost("5", "2024-03-01", "2024-04-01", "retention", "-31"),
        cost("6", "2023-12-01", "2024-01-01", "retention", "8"),
    ]
    value = oracle(
        "2025-01-01",
        accounts=[account("a"), account("b"), account("n")],
        subscriptions=[
            version("a", "2024-03-01", "10", valid_to=day("2024-05-01")),
            version("b", "2024-03-17", "10", valid_to=day("2024-04-16")),
        ],
        support_tickets=[
            ticket("1", "n", "2024-03-03"),
            ticket("2", "n", "2024-03-04"),
            ticket("3", "a", "2024-03-04"),
        ],
        loyalty_memberships=[
            {"account_id": "b", "programme": "p", "valid_from": day("2024-04-15"), "valid_to": day("2024-04-16")},
            {"account_id": "n", "programme": "p", "valid_from": day("2024-03-01")},
        ],
        costs=costs,
    )
    march, april = day("2024-03-01"), day("2024-04-01")
    assert value.scope("month", march) == ("customers", {"a", "b"})  # a member who is no customer is not in scope
    assert value.scope("month", april) == ("members", {"b"})
    names = "cost_to_serve", "retention_cost"
    assert {key: [cell[name] for name in names] for key, cell in value.account_costs.items()} == {
        ("a", march): money("30", "-20.8913"),  # 31 of the 46 active days
        ("b", march): money("0", "-10.1087"),
        ("n", march): money("60", "0"),
        ("a", april): money("60", "10"),  # 30 of 45 active days; the retention cost that names it
        ("b", april): money("30", "60"),
    }
    assert value.unallocated == {(day("2023-12-01"), "retention"): Decimal("8.0000")}
    assert value.account_clv()["n"]["historic_clv"] == -60
    assert value.relationship("n") == "none"


def test_acquisition_is_shared_and_paid_back() -> None:
    won = {"acquisition_channel": "fair"}
    value = oracle(
        "2025-01-01",
        accounts=[account("a", **won), account("b", **won), account("c"), account("d"), account("e", **won)],
        subscriptions=[
            version("a", "2024-01-15", "31"),
            version("b", "2024-03-31", "31"),
            version("c", "2024-02-01", "1000"),
            version("d", "2024-06-01", "10"),
        ],
        orders=[order("o", "e", "2024-09-30", "5")],
        costs=[
            cost("1", "2024-01-01", "2024-04-01", "acquisition", "99.9999", channel="fair"),
            cost("2", "2024-01-01", "2024-04-01", "acquisition", "10"),
            cost("3", "2024-05-01", "2024-05-02", "acquisition", "7", account_id="c"),
            cost("4", "2024-09-30", "2024-10-01", "acquisition", "7", channel="mail"),
        ],
    )
    assert value.acquisition_costs == {
        "a": Decimal("53.3333"),  # half of the fair's 99.9999, rounded up, and a third of what has no channel
        "b": Decimal("53.3333"),  # the other half, rounded down, and the middle third, rounded up
        "c": Decimal("10.3333"),  # 7 that name it, in whatever period, and a third
        "d": Decimal("0.0000"),  # the quarter knows a cost, if only one that names another
        "e": Decimal("0.0000"),
    }
    # January brings a 17 of its 31; by the end of February it is 47.0345, by that of March 79
    assert [value.payback_month(key) for key in "abcde"] == [3, 3, 1, 0, 0]


# --- what is expected ------------------------------------------------------------------------------------------------


def test_terms_run_from_gap_to_gap_and_from_one_period_to_another() -> None:
    value = oracle(
        "2025-01-10",
        accounts=[account("a"), account("b")],
        subscriptions=[
            version("a", "2024-01-31", "10", valid_to=day("2024-03-31"), contract_term_months=1),
            version("a", "2024-05-01", "10", subscription_id="t", contract_term_months=1, valid_to=day("2024-07-11")),
            version("a", "2024-07-11", "10", subscription_id="u", contract_term_months=3),
            version("b", "2024-02-01", "10", billing_interval_months=3, valid_to=day("2024-08-02")),
        ],
    )
    assert [(r.account_id, r.period_months, r.left_in, r.completed) for r in value.term_runs] == [
        ("a", 1, 2, None),  # 01-31 and two months is 03-31: left with the second period
        ("a", 1, None, 2),
        ("a", 3, None, 1),
        ("b", 3, 3, None),  # a day into the third quarter
    ]


def test_residual_value_of_a_contract() -> None:
    inputs = {
        "accounts": [account("a", gross_margin=Decimal("0.8"))],
        "subscriptions": [version("a", "2024-01-15", "100", contract_term_months=3, billing_interval_months=3)],
        "costs": [cost("1", "2024-12-01", "2024-12-31", "service", "10", account_id="a")],
    }
    value = oracle("2025-01-10", **inputs)
    found = value.account_clv()["a"]
    # 3 periods completed, the next renewal on 01-15, so within the first month; 100 a quarter is 33.3333 a month.
    paid = contract_months(SBG, 3, 3, 1, 60, 0.1)
    # the thirteen months to January 2025 saw all of its revenue
    revenue = total(cell["revenue"] for cell in value.revenue_months.values())
    ratio = value.cost_ratios["contract", None]
    assert ratio == pytest.approx(10 / float(revenue))
    assert found["residual_clv"] == pytest.approx(33.3333 * (0.8 - ratio) * paid)
    assert found["total_clv"] == pytest.approx(float(found["historic_clv"]) + found["residual_clv"])
    assert found["survival_next_term"] == pytest.approx(float(sbg_survival(SBG, 4) / sbg_survival(SBG, 3)))
    inputs["cancellations"] = [
        {
            "cancellation_id": "x",
            "account_id": "a",
            "requested_on": day("2025-01-09"),
            "effective_on": day("2025-04-15"),
        }
    ]
    ending = oracle("2025-01-10", **inputs).account_clv()["a"]
    kept = contract_months(SBG, 3, 3, 1, 4, 0.1)
    assert ending["residual_clv"] == pytest.approx(33.3333 * (0.8 - ratio) * kept)


def test_residual_value_without_contract() -> None:
    value = oracle(
        "2025-01-01",
        accounts=[account("a")],
        orders=[
            order("1", "a", "2024-06-05", "500"),
            order("2", "a", "2024-06-12", "10"),
            order("3", "a", "2024-06-12", "11"),
            order("4", "a", "2024-07-03", "30.01"),
            order("5", "a", "2025-01-01", "99"),
        ],
    )
    history = value.purchases["a"]
    assert (history.x, history.recency_days, history.age_days) == (2, 28, 209)
    assert value.mean_value("a") == Decimal("25.51")  # 25.505
    expected = discounted_purchases(BGNBD, [2], [4], [29.86], 60, 0.1) * expected_spend(GAMMA_GAMMA, [2], [25.51])
    assert value.account_clv()["a"]["residual_clv"] == pytest.approx(float(expected[0]))


def test_without_a_fit_there_is_no_score() -> None:
    value = oracle(
        "2025-01-01",
        Models(),
        accounts=[account("a"), account("b")],
        subscriptions=[version("a", "2024-01-31", "10")],
        orders=[order("1", "b", "2024-06-05", "500")],
    ).account_clv()
    for row in value.values():
        assert row["historic_clv"] > 0
        assert row["residual_clv"] is row["total_clv"] is row["survival_next_term"] is row["p_alive"] is None


# --- the mixed base --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed() -> ValueOracle:
    return ValueOracle(value_base(), ValueOptions(as_of=AS_OF), MODELS)


def test_the_base_holds_every_story_and_relationship(mixed: ValueOracle) -> None:
    assert len(STORIES) * 2 <= len(mixed.inputs["accounts"]) <= 150
    scored = mixed.account_clv()
    assert {row["relationship"] for row in scored.values()} == {"contract", "no_contract", "none"}
    assert sum(row["residual_clv"] is not None and row["residual_clv"] > 0 for row in scored.values()) > 50
    assert any(row["payback_month"] and row["payback_month"] > 1 for row in scored.values())
    assert any(row["acquisition_cost"] is None and row["tenure_months"] is not None for row in scored.values())
    kinds = {mixed.scope("month", month)[0] for _, month in mixed.activity_months}
    assert kinds == {"members", "customers"}
    months = {month for (_, month), cell in mixed.activity_months.items() if cell["tickets"]}
    assert day("2024-05-01") not in months and day("2024-06-01") in months


def test_nothing_of_the_base_is_lost(mixed: ValueOracle) -> None:
    kinds = {"service": "cost_to_serve", "retention": "retention_cost"}
    for kind, name in kinds.items():
        spent = total(piece["cost"] for piece in mixed.cost_months.values() if piece["kind"] == kind)
        given = total(cell[name] for cell in mixed.account_costs.values())
        left = total(amount for (_, of), amount in mixed.unallocated.items() if of == kind)
        assert given + left == spent and left > 0
    assert set(mixed.account_clv()) == set(mixed.accounts)
    in_months = total(cell["contribution"] for cell in mixed.value_months.values())
    assert total(row["historic_clv"] for row in mixed.account_clv().values()) == in_months


def test_same_seed_same_base() -> None:
    assert value_base(3, 50) == value_base(3, 50) != value_base(4, 50)
