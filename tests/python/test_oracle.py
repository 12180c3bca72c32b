"""The oracle against what is known for sure, before it judges any model: the worked examples of the metric definitions,
the published queries' figures of ChurnSim crm5, the published survival of IBM Telco, and a few sums by hand."""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal
from typing import Any

import duckdb
import pytest
import worked_examples as examples
from agreement import differences
from oracle import MissingRate, Options, Oracle, Rates, add_months, complete_months, money
from project import SHARED_DATA

CRM5 = SHARED_DATA / "churnsim_crm5"
TELCO = SHARED_DATA / "telco" / "Telco-Customer-Churn.csv"


def of_account(rows: list[dict[str, Any]], example: examples.Example) -> list[dict[str, Any]]:
    return [row for row in rows if row["account_id"] == example.account_id]


def of_segment(rows: list[dict[str, Any]], example: examples.Example, **columns: Any) -> list[dict[str, Any]]:
    wanted = {"segment_dimension": "industry", "segment_value": example.name, **columns}
    return [row for row in rows if all(row[column] == value for column, value in wanted.items())]


# --- the worked examples ---------------------------------------------------------------------------------------------


def example_differences(example: examples.Example, oracle: Oracle) -> list[str]:
    """Every difference between the example's rows and the oracle's."""
    moved = [row for row in oracle.mrr_movements() if row["movement"] != "none" or row["mrr_change"]]
    months, cohorts = oracle.account_months(), oracle.cohort_retention(["month"])
    quarters = {row["period_start"]: row for row in examples.expected_quarters(example)}
    churn = of_segment(oracle.churn_by_segment(["quarter"]), example)
    return [
        *differences("account_months", examples.expected_account_months(example), of_account(months, example)),
        *differences("mrr_movements", examples.expected_movements(example), of_account(moved, example)),
        *differences("cohort_retention", examples.expected_cohort(example), of_segment(cohorts, example)),
        *differences("churn_by_segment", quarters.values(), [row for row in churn if row["period_start"] in quarters]),
    ]


@pytest.mark.parametrize("example", examples.EXAMPLES, ids=lambda example: example.name)
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "alone"])
def test_worked_example(example: examples.Example, packed: bool) -> None:
    base = examples.inputs(examples.EXAMPLES if packed else [example])
    assert example_differences(example, Oracle(base, Options(examples.AS_OF))) == []


def test_notice_dates_the_churn_of_w12_in_may() -> None:
    base = examples.inputs([examples.W12_BY_NOTICE])
    oracle = Oracle(base, Options(examples.AS_OF, churn_recognition="notice"))
    assert example_differences(examples.W12_BY_NOTICE, oracle) == []


def test_quarters_of_w1() -> None:
    oracle = Oracle(examples.inputs(examples.EXAMPLES[:1]), Options(examples.AS_OF))
    first, second = oracle.account_periods("quarter")
    assert (first.start, first.movement, first.commercial) == (dt.date(2025, 1, 1), "new", 5)
    assert (second.movement, second.commercial, second.left_and_returned) == ("expansion", 5, True)


# --- reference figures at scale --------------------------------------------------------------------------------------


@pytest.mark.skipif(not CRM5.exists(), reason="the shared data folder churnsim_crm5 is not here")
def test_churnsim_crm5_every_month() -> None:
    rows = duckdb.sql(
        f"select account_id, product, start_date, end_date, mrr, bill_period_months from '{CRM5}/subscription.parquet'"
    ).fetchall()
    base = {
        "accounts": [{"account_id": str(account)} for account in sorted({row[0] for row in rows})],
        "subscriptions": [
            {
                "subscription_id": f"{account}:{product}",
                "valid_from": start,
                "valid_to": end,
                "account_id": str(account),
                "amount": mrr * months,
                "currency": "EUR",
                "billing_interval_months": months,
            }
            for account, product, start, end, mrr, months in rows
        ],
    }
    oracle = Oracle(base, Options(dt.date(2024, 1, 1), segment_dimensions=()))
    got = {row["month_start"]: row for row in oracle.mrr_monthly()}
    with (CRM5 / "expected_monthly.csv").open(encoding="utf-8") as file:
        expected = list(csv.DictReader(file))
    assert len(expected) == 23
    for row in expected:
        month = got[dt.date.fromisoformat(row["from_date"])]
        assert month["is_complete"]
        assert (month["customers_start"], month["customers_churned"]) == (int(row["n_start"]), int(row["n_churn"]))
        pairs = {
            "mrr_start": "start_mrr",
            "mrr_churn": "churn_mrr",
            "mrr_contraction": "downsell_mrr",
            "mrr_retained_net": "retained_mrr",
        }
        for column, reference in pairs.items():
            assert month[column] == Decimal(row[reference]), (row["from_date"], column)


@pytest.mark.skipif(not TELCO.exists(), reason="the shared data folder telco is not here")
def test_telco_survival() -> None:
    as_of = dt.date(2026, 1, 1)
    with TELCO.open(encoding="utf-8") as file:
        customers = list(csv.DictReader(file))
    terms = {"Month-to-month": 1, "One year": 12, "Two year": 24}
    base = {
        "accounts": [{"account_id": row["customerID"]} for row in customers],
        "subscriptions": [
            {
                "subscription_id": row["customerID"],
                "account_id": row["customerID"],
                "valid_from": add_months(as_of, -int(row["tenure"])),
                "valid_to": as_of if row["Churn"] == "Yes" else None,
                "amount": row["MonthlyCharges"],
                "currency": "EUR",
                "billing_interval_months": 1,
                "contract_term_months": terms[row["Contract"]],
            }
            for row in customers
        ],
    }
    curve = Oracle(base, Options(as_of, segment_dimensions=("contract_length",))).survival_curve()
    at = {(row["segment_value"], row["tenure_month"]): row for row in curve}
    published = {1: 0.945961, 12: 0.843200, 24: 0.788736, 48: 0.708840, 72: 0.592790}
    for month, survival in published.items():
        assert at["all", month]["survival"] == pytest.approx(survival, abs=1e-6)
    assert (at["all", 12]["ci_low"], at["all", 12]["ci_high"]) == pytest.approx((0.834169, 0.851783), abs=1e-6)
    assert at["month to month", 12]["survival"] == pytest.approx(0.703097, abs=1e-6)
    assert min(n for n in range(73) if at["month to month", n]["survival"] <= 0.5) == 35
    assert at["1 year", 48]["survival"] == pytest.approx(0.916547, abs=1e-6)
    assert at["2 years and longer", 72]["survival"] == pytest.approx(0.935739, abs=1e-6)
    assert (at["all", 0]["at_risk"], at["all", 0]["censored"]) == (7043, 11)


# --- by hand ---------------------------------------------------------------------------------------------------------


def one_account(*versions: dict[str, Any], as_of: str = "07-01", **entities: Any) -> Oracle:
    """The oracle of one account `a` with these versions."""
    base = {
        "accounts": [{"account_id": "a", "industry": "trade"}],
        "subscriptions": [{**version, "account_id": "a"} for version in versions],
        "fx_rates": examples.FX_RATES,
        **entities,
    }
    return Oracle(base, Options(examples.day(as_of)))


def labels(oracle: Oracle) -> list[tuple[str, Decimal]]:
    return [(row["movement"], row["mrr_commercial_change"]) for row in oracle.account_months()]


def test_calendar_and_rounding() -> None:
    assert add_months(dt.date(2024, 1, 31), 1) == dt.date(2024, 2, 29)
    assert add_months(dt.date(2024, 12, 31), -10) == dt.date(2024, 2, 29)
    assert complete_months(dt.date(2025, 1, 31), dt.date(2025, 2, 28)) == 1
    assert complete_months(dt.date(2025, 2, 28), dt.date(2025, 3, 27)) == 0
    assert money(Decimal("0.00005")) == Decimal("0.0001")
    assert money(Decimal("-0.00005")) == Decimal("-0.0001")
    assert money(Decimal(1000), Decimal(3), by=Decimal(12)) == 250
    assert money(Decimal(2), by=Decimal(3)) == Decimal("0.6667")


def test_billing_intervals_are_counted_from_the_first_day_whatever_the_month_end() -> None:
    version = one_account(examples.version("s", "01-31", "10")).customers[0].versions[0]
    expected = {"02-27": "01-31", "02-28": "02-28", "03-30": "02-28", "03-31": "03-31", "04-30": "04-30"}
    assert {d: version.billing_day(examples.day(d)) for d in expected} == {
        d: examples.day(first) for d, first in expected.items()
    }


def test_the_label_test_of_the_definitions() -> None:
    """Boundary MRR 0, 10, 20, 5, 0, 0, 10."""
    oracle = one_account(
        examples.version("s", "02-01", "10"),
        examples.version("s", "03-01", "20"),
        examples.version("s", "04-01", "5", "05-01"),
        examples.version("s", "07-01", "10"),
    )
    assert labels(oracle) == [
        ("new", 10),
        ("expansion", 10),
        ("contraction", -15),
        ("churn", -5),
        ("none", 0),
        ("reactivation", 10),
    ]


def test_an_account_is_new_in_the_month_whose_end_boundary_is_its_first_day_even_on_d() -> None:
    (only,) = one_account(examples.version("s", "07-01", "10")).account_months()
    assert (only["month_start"], only["movement"], only["plan"]) == (dt.date(2025, 6, 1), "new", "plan s")
    cohorts = one_account(examples.version("s", "07-01", "10")).cohort_retention()
    assert cohorts == []


def test_an_end_on_d_is_known_and_one_after_it_is_not() -> None:
    assert labels(one_account(examples.version("s", "05-10", "10", "07-01")))[-1] == ("churn", -10)
    assert labels(one_account(examples.version("s", "05-10", "10", "07-02")))[-1] == ("none", 0)


def test_the_running_month_ends_at_d() -> None:
    oracle = one_account(examples.version("s", "05-10", "10", "06-15"), as_of="06-15")
    last = oracle.mrr_monthly()[-1]
    assert (last["month_start"], last["is_complete"], last["customers_churned"]) == (dt.date(2025, 6, 1), False, 1)
    running = one_account(examples.version("s", "05-10", "10", "06-15"), as_of="06-14").mrr_monthly()[-1]
    assert (running["is_complete"], running["customers_churned"]) == (False, 0)


def test_the_newest_row_known_on_d_wins() -> None:
    def corrected(amount: str, recorded_at: str) -> dict[str, Any]:
        return examples.version("s", "05-10", amount, recorded_at=dt.datetime.fromisoformat(recorded_at))

    rows = [
        examples.version("s", "05-10", "10"),
        corrected("20", "2025-06-30 23:59:59"),
        corrected("15", "2025-06-01 08:00:00"),
        corrected("99", "2025-07-01 00:00:00"),
    ]
    assert one_account(*rows).mrr_monthly()[-1]["mrr_end"] == 20


def test_a_version_without_days_has_no_effect() -> None:
    oracle = one_account(examples.version("s", "04-10", "10"), examples.version("s", "05-10", "99", "05-10"))
    assert labels(oracle) == [("new", 10), ("none", 0), ("none", 0)]


def test_a_rate_is_the_latest_and_at_most_seven_days_old() -> None:
    rates = Rates(
        [
            {"currency": "USD", "quote_currency": "EUR", "rate_on": examples.day("05-01"), "rate": ".9"},
            {"currency": "USD", "quote_currency": "CHF", "rate_on": examples.day("05-09"), "rate": ".8"},
        ],
        Options(examples.AS_OF),
    )
    assert rates.on("USD", examples.day("05-08")) == Decimal(".9")
    assert rates.on("EUR", examples.day("05-09")) == 1
    with pytest.raises(MissingRate):
        rates.on("USD", examples.day("05-09"))


def test_replaced_subscriptions_are_one_line_and_a_kept_one_its_own() -> None:
    """Kept: USD 50, at .95 then .96. Replaced: USD 100 at .95 by USD 30 and 60 at .96."""
    rates = [
        {"currency": "USD", "quote_currency": "EUR", "rate_on": examples.day(day), "rate": Decimal(rate)}
        for day, rate in [("05-01", ".95"), ("06-01", ".96"), ("07-01", ".96")]
    ]
    oracle = one_account(
        examples.version("kept", "05-01", "50", currency="USD"),
        examples.version("old", "05-01", "100", "06-01", currency="USD"),
        examples.version("new", "06-01", "30", currency="USD"),
        examples.version("newer", "06-01", "60", currency="USD"),
        fx_rates=rates,
    )
    may = oracle.account_months()[1]
    assert (may["mrr_start"], may["mrr_end"]) == (Decimal("142.50"), Decimal("134.40"))
    assert (may["movement"], may["mrr_commercial_change"]) == ("contraction", Decimal("-9.60"))
    assert may["mrr_fx_change"] == Decimal("1.50")
    month = oracle.mrr_monthly()[1]
    assert month["mrr_retained_net"] == Decimal("133.00")  # 140 x .95
    assert month["nrr"] == 133.0 / 142.5


def test_gross_and_net_are_capped_per_account_and_complementary() -> None:
    base = {
        "accounts": [{"account_id": "a"}, {"account_id": "b"}, {"account_id": "c"}],
        "subscriptions": [
            {**examples.version("a", "05-10", "100"), "account_id": "a"},
            {**examples.version("a", "06-10", "130"), "account_id": "a"},
            {**examples.version("b", "05-10", "100"), "account_id": "b"},
            {**examples.version("b", "06-10", "60"), "account_id": "b"},
            {**examples.version("c", "05-10", "50", "06-20"), "account_id": "c"},
        ],
    }
    june = Oracle(base, Options(examples.AS_OF)).mrr_monthly()[-1]
    assert june["nrr"] == pytest.approx(190 / 250)
    assert june["grr"] == pytest.approx(160 / 250)
    assert june["gross_revenue_churn_rate"] == pytest.approx(90 / 250)
    assert june["net_revenue_churn_rate"] == pytest.approx(60 / 250)
    assert june["customer_churn_rate"] == pytest.approx(1 / 3)
    assert june["quick_ratio"] == pytest.approx(30 / 90)


def test_five_percent_a_month_compounds_to_46_a_year_and_leaks() -> None:
    base = {
        "accounts": [{"account_id": f"a{n:02}"} for n in range(20)],
        "subscriptions": [
            {**examples.version(f"s{n:02}", "05-10", "10", None if n else "06-20"), "account_id": f"a{n:02}"}
            for n in range(20)
        ],
    }
    june = Oracle(base, Options(examples.AS_OF)).mrr_monthly()[-1]
    assert june["annualised_churn_rate"] == pytest.approx(0.4596, abs=5e-5)
    assert june["new_customers_needed_for_growth"] == pytest.approx(0.15 * 20)
    (row,) = (
        row
        for row in Oracle(base, Options(examples.AS_OF)).churn_by_segment(["month"])
        if row["period_start"] == dt.date(2025, 6, 1) and row["segment_value"] == "all"
    )
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.0088814, 0.2361309), abs=1e-6)
    assert row["is_small_base"]


def test_cohorts_hold_the_start_rate_and_cap_at_the_start() -> None:
    oracle = one_account(
        examples.version("s", "2024-12-15", "100", currency="USD"),
        examples.version("s", "02-15", "80", currency="USD"),
        examples.version("s", "04-15", "150", currency="USD"),
    )
    cells = [row for row in oracle.cohort_retention(["month"]) if row["segment_dimension"] == "all"]
    upgraded = [Decimal("142.5")] * 3
    assert [row["mrr_retained_net"] for row in cells] == [95, 95, 76, 76, *upgraded]
    assert [row["mrr_retained_gross"] for row in cells] == [95, 95, 76, 76, 95, 95, 95]
    assert [row["mrr_retained_uninterrupted"] for row in cells] == [95, 95, 76, 76, 76, 76, 76]


def test_segments_are_those_of_the_day() -> None:
    history = [
        {"account_id": "a", "valid_from": examples.day("05-15"), "industry": "craft"},
        {"account_id": "a", "valid_from": examples.day("06-15"), "industry": None},
    ]
    oracle = one_account(
        examples.version("b", "04-20", "10", contract_term_months=12),
        examples.version("a", "05-20", "10", contract_term_months=24),
        account_history=history,
        as_of="06-20",
    )
    seen = [(row["industry"], row["plan"], row["contract_length"]) for row in oracle.account_months()]
    assert seen == [
        ("craft", "plan b", "1 year"),  # before its first entry an account is what that entry says
        ("craft", "plan b", "1 year"),
        ("craft", "plan a", "2 years and longer"),  # equal MRR: the lowest subscription id
    ]
    assert oracle.customers[0].segments(examples.day("06-16"))["industry"] == "trade"


def test_customers_without_contract_are_retained_by_buying() -> None:
    def order(number: int, moment: str, amount: str, **other: Any) -> dict[str, Any]:
        moment_ = dt.datetime.fromisoformat(f"2025-{moment}")
        return {
            "order_id": str(number),
            "account_id": "a",
            "ordered_at": moment_,
            "amount": Decimal(amount),
            "currency": "EUR",
            **other,
        }

    orders = [
        order(1, "03-05 10:00", "100", returned_amount=Decimal(30)),
        order(2, "03-31 23:59", "20"),
        order(3, "04-01 00:00", "5"),
        order(4, "06-30 12:00", "40", currency="USD"),
        order(5, "07-01 00:00", "99"),
    ]
    cells = [row for row in one_account(orders=orders).cohort_retention(["month"]) if row["segment_value"] == "all"]
    assert [row["relationship"] for row in cells] == ["no_contract"] * 4
    assert [row["customers_retained"] for row in cells] == [1, 1, 0, 1]
    assert [row["customers_retained_uninterrupted"] for row in cells] == [1, 1, 0, 0]
    assert [row["value_retained"] for row in cells] == [90, 5, 0, Decimal("36.80")]
    assert {row["value_at_start"] for row in cells} == {Decimal(90)}


def test_choices() -> None:
    """pause_is_churn and reactivation_gap_days."""
    rows = examples.inputs([example for example in examples.EXAMPLES if example.name in ("W5", "W8")])
    paused = Oracle(rows, Options(examples.AS_OF, pause_is_churn=True)).account_months()
    assert [(row["movement"]) for row in paused if row["account_id"] == "w5"][5:9] == [
        "churn",
        "none",
        "reactivation",
        "none",
    ]
    for days, labels_ in [(27, ["new", "churn", "reactivation"]), (28, ["new", "none", "none"])]:
        bridged = Oracle(rows, Options(examples.AS_OF, reactivation_gap_days=days)).account_months()
        assert [row["movement"] for row in bridged if row["account_id"] == "w8"][:3] == labels_
