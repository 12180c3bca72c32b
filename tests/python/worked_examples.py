"""The worked examples W1 to W12 of the metric definitions: input rows and the rows they must give, as data only.

Reporting currency EUR, boundaries on the first of each month of 2025, as of 2025-07-01. Every example is one account
with a segment of its own (its name as industry), so that all of them fit into one build and every mart shows each
apart. Each example lists all of its account's months: those the definitions name, and `none` for the rest.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

AS_OF = dt.date(2025, 7, 1)


def day(text: str) -> dt.date:
    """'02-10' is a day of 2025, '2024-12-15' any other."""
    return dt.date.fromisoformat(text if len(text) > 5 else f"2025-{text}")


def version(
    subscription: str, valid_from: str, amount: str, valid_to: str | None = None, **other: Any
) -> dict[str, Any]:
    """One row of the input entity subscriptions; monthly, in EUR, its plan named after it unless said otherwise."""
    return {
        "subscription_id": subscription,
        "valid_from": day(valid_from),
        "valid_to": day(valid_to) if valid_to else None,
        "amount": Decimal(amount),
        "currency": "EUR",
        "billing_interval_months": 1,
        "quantity": None,
        "plan": f"plan {subscription}",
        "contract_term_months": 1,
        "is_trial": False,
        "is_paused": False,
        "notice_given_on": None,
        **other,
    }


@dataclass(frozen=True)
class Month:
    """What account_months and mrr_movements must hold for one month."""

    movement: str
    change: str = "0"
    fx: str = "0"
    start: str | None = None  # MRR at the start boundary; None: the account is not active there
    end: str | None = None
    joined_and_left: bool = False
    left_and_returned: bool = False
    # per currency (reporting change, original change) of the commercial movement, where it is not EUR alone
    currencies: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """One worked example. Months are named by their first day's month; 2024's carry the year."""

    name: str
    subscriptions: list[dict[str, Any]]
    months: Mapping[str, Month]
    cohort: str  # first month of the monthly cohort
    at_start: str  # MRR on the first paid day
    cells: tuple[int, ...]  # customers retained at k = 0, 1 ... up to D
    uninterrupted: tuple[int, ...]
    quarters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # columns of churn_by_segment per quarter
    plans: Mapping[str, str] = field(default_factory=dict)  # plan of the month's row

    @property
    def account_id(self) -> str:
        return self.name.lower()


def flat(mrr: str) -> Month:
    """A month that ends as it began."""
    return Month("none", start=mrr, end=mrr)


ABSENT = Month("none")  # active at neither boundary

EXAMPLES = [
    Example(
        name="W1",
        subscriptions=[
            version("w1", "01-10", "10"),
            version("w1", "02-10", "20"),
            version("w1", "03-10", "5", "04-10"),
            version("w1", "06-10", "10"),
        ],
        months={
            "01": Month("new", "10", end="10"),
            "02": Month("expansion", "10", start="10", end="20"),
            "03": Month("contraction", "-15", start="20", end="5"),
            "04": Month("churn", "-5", start="5"),
            "05": ABSENT,
            "06": Month("reactivation", "10", end="10"),
        },
        cohort="01",
        at_start="10",
        cells=(1, 1, 1, 0, 0, 1),
        uninterrupted=(1, 1, 1, 0, 0, 0),
        quarters={
            "04": {
                "customers_at_start": 1,
                "customers_churned": 0,
                "mrr_at_start": Decimal(5),
                "mrr_churned": Decimal(0),
                "mrr_contracted": Decimal(0),
                "mrr_expanded": Decimal(5),
                "nrr": 2.0,
                "grr": 1.0,
                "is_complete": True,
            }
        },
    ),
    Example(
        name="W2",
        subscriptions=[version("w2", "02-10", "30", "02-25"), version("w2", "04-05", "30")],
        months={
            "02": Month("none", joined_and_left=True),
            "03": ABSENT,
            "04": Month("new", "30", end="30"),
            "05": flat("30"),
            "06": flat("30"),
        },
        cohort="02",
        at_start="30",
        cells=(0, 0, 1, 1, 1),
        uninterrupted=(0, 0, 0, 0, 0),
    ),
    Example(
        name="W3",
        subscriptions=[version("w3", "01-15", "1000", billing_interval_months=12)],
        months={
            "01": Month("new", "83.3333", end="83.3333"),
            **{f"{n:02}": flat("83.3333") for n in range(2, 7)},
        },
        cohort="01",
        at_start="83.3333",
        cells=(1,) * 6,
        uninterrupted=(1,) * 6,
    ),
    Example(
        name="W4",
        subscriptions=[
            version("w4", "2024-12-15", "100", currency="USD"),
            version("w4", "03-10", "150", currency="USD"),
        ],
        months={
            "2024-12": Month("new", "95", end="95", currencies={"USD": ("95", "100")}),
            "01": Month("none", "0", "1", start="95", end="96", currencies={"USD": ("0", "0")}),
            "02": Month("none", "0", "1", start="96", end="97", currencies={"USD": ("0", "0")}),
            "03": Month("expansion", "46", "-5", start="97", end="138", currencies={"USD": ("46", "50")}),
            **{f"{n:02}": Month("none", start="138", end="138", currencies={"USD": ("0", "0")}) for n in range(4, 7)},
        },
        cohort="2024-12",
        at_start="95",
        cells=(1,) * 7,
        uninterrupted=(1,) * 7,
    ),
    Example(
        name="W5",
        subscriptions=[
            version("w5", "2024-11-01", "50"),
            version("w5", "03-15", "50", is_paused=True),
            version("w5", "05-15", "50"),
        ],
        months={
            "2024-10": Month("new", "50", end="50"),
            **{name: flat("50") for name in ("2024-11", "2024-12", "01", "02")},
            "03": Month("contraction", "-50", start="50", end="0"),
            "04": flat("0"),
            "05": Month("expansion", "50", start="0", end="50"),
            "06": flat("50"),
        },
        cohort="2024-11",
        at_start="50",
        cells=(1,) * 8,
        uninterrupted=(1,) * 8,
    ),
    Example(
        name="W6",
        subscriptions=[version("w6", "02-01", "40", is_trial=True), version("w6", "03-01", "40")],
        months={
            "02": Month("new", "40", end="40"),
            **{f"{n:02}": flat("40") for n in range(3, 7)},
        },
        cohort="03",
        at_start="40",
        cells=(1,) * 4,
        uninterrupted=(1,) * 4,
        plans={"02": "plan w6"},
    ),
    Example(
        name="W7",
        subscriptions=[
            *(version("w7 A", f"{n:02}-08", "100") for n in range(1, 7)),
            version("w7 B", "01-08", "60", "04-20"),
            version("w7 C", "01-08", "20"),
        ],
        months={
            "01": Month("new", "180", end="180"),
            "02": flat("180"),
            "03": flat("180"),
            "04": Month("contraction", "-60", start="180", end="120"),
            "05": flat("120"),
            "06": flat("120"),
        },
        cohort="01",
        at_start="180",
        cells=(1,) * 6,
        uninterrupted=(1,) * 6,
        plans={f"{n:02}": "plan w7 A" for n in range(1, 7)},
    ),
    Example(
        name="W8",
        subscriptions=[version("w8", "01-10", "70", "02-20"), version("w8", "03-20", "70")],
        months={
            "01": Month("new", "70", end="70"),
            "02": Month("churn", "-70", start="70"),
            "03": Month("reactivation", "70", end="70"),
            **{f"{n:02}": flat("70") for n in range(4, 7)},
        },
        cohort="01",
        at_start="70",
        cells=(1, 0, 1, 1, 1, 1),
        uninterrupted=(1, 0, 0, 0, 0, 0),
    ),
    Example(
        name="W9",
        subscriptions=[version("w9", "01-10", "70", "05-05"), version("w9", "05-20", "70")],
        months={
            "01": Month("new", "70", end="70"),
            **{f"{n:02}": flat("70") for n in range(2, 5)},
            "05": Month("none", start="70", end="70", left_and_returned=True),
            "06": flat("70"),
        },
        cohort="01",
        at_start="70",
        cells=(1,) * 6,
        uninterrupted=(1,) * 6,
    ),
    Example(
        name="W10",
        subscriptions=[version("w10", "01-10", "100", "03-01"), version("w10", "03-01", "110", currency="USD")],
        months={
            "01": Month("new", "100", end="100"),
            "02": Month(
                "expansion",
                "1.20",
                start="100",
                end="101.20",
                currencies={"EUR": ("-100", "-100"), "USD": ("101.20", "110")},
            ),
            **{
                f"{n:02}": Month("none", start="101.20", end="101.20", currencies={"USD": ("0", "0")})
                for n in range(3, 7)
            },
        },
        cohort="01",
        at_start="100",
        cells=(1,) * 6,
        uninterrupted=(1,) * 6,
    ),
    Example(
        name="W11",
        subscriptions=[version("w11", "01-20", "0"), version("w11", "04-01", "25")],
        months={
            "01": Month("new", "0", end="0"),
            "02": flat("0"),
            "03": Month("expansion", "25", start="0", end="25"),
            **{f"{n:02}": flat("25") for n in range(4, 7)},
        },
        cohort="01",
        at_start="0",
        cells=(1,) * 6,
        uninterrupted=(1,) * 6,
    ),
    Example(
        name="W12",
        subscriptions=[version("w12", "01-10", "90", "08-31", notice_given_on=day("05-10"))],
        months={
            "01": Month("new", "90", end="90"),
            **{f"{n:02}": flat("90") for n in range(2, 7)},
        },
        cohort="01",
        at_start="90",
        cells=(1,) * 6,
        uninterrupted=(1,) * 6,
    ),
]

# W12 under `churn_recognition: notice`: the churn is dated in May.
W12_BY_NOTICE = Example(
    name="W12",
    subscriptions=EXAMPLES[-1].subscriptions,
    months={
        "01": Month("new", "90", end="90"),
        **{f"{n:02}": flat("90") for n in range(2, 5)},
        "05": Month("churn", "-90", start="90"),
        "06": ABSENT,
    },
    cohort="01",
    at_start="90",
    cells=(1, 1, 1, 1, 0, 0),
    uninterrupted=(1, 1, 1, 1, 0, 0),
)

# W4's rates, .92 from 03-01 on for W10, renewed often enough never to be too old.
FX_RATES = [
    {"currency": "USD", "quote_currency": "EUR", "rate_on": day(rate_on), "rate": Decimal(rate)}
    for rate_on, rate in [("2024-12-15", ".95"), ("01-15", ".96"), ("02-15", ".97")]
    + [((day("03-01") + n * dt.timedelta(days=3)).isoformat(), ".92") for n in range(60)]
]


def inputs(examples: list[Example]) -> dict[str, list[dict[str, Any]]]:
    """The input rows of the examples, packed."""
    return {
        "accounts": [
            {"account_id": example.account_id, "business_model": "b2b_contract", "industry": example.name}
            for example in examples
        ],
        "subscriptions": [
            {**row, "account_id": example.account_id} for example in examples for row in example.subscriptions
        ],
        "fx_rates": FX_RATES,
    }


def _month_start(name: str) -> dt.date:
    return day(f"{name}-01")


def expected_account_months(example: Example) -> list[dict[str, Any]]:
    """Every row of account_months the example's account must have, from the first to the last."""
    rows = []
    for name, month in example.months.items():
        row = {
            "account_id": example.account_id,
            "month_start": _month_start(name),
            "is_active_start": month.start is not None,
            "is_active_end": month.end is not None,
            "mrr_start": Decimal(month.start or 0),
            "mrr_end": Decimal(month.end or 0),
            "movement": month.movement,
            "mrr_commercial_change": Decimal(month.change),
            "mrr_fx_change": Decimal(month.fx),
            "joined_and_left": month.joined_and_left,
            "left_and_returned": month.left_and_returned,
            "industry": example.name,
        }
        if name in example.plans:
            row["plan"] = example.plans[name]
        rows.append(row)
    return rows


def expected_movements(example: Example) -> list[dict[str, Any]]:
    """Every row of mrr_movements that moves anything or names a movement."""
    rows = []
    for name, month in example.months.items():
        keys = {"account_id": example.account_id, "month_start": _month_start(name), "industry": example.name}
        for currency, (change, original) in (month.currencies or {"EUR": (month.change, month.change)}).items():
            amounts = {"mrr_change": Decimal(change), "mrr_change_original": Decimal(original)}
            if month.movement != "none":
                rows.append({**keys, "currency": currency, "movement": month.movement, **amounts})
            if Decimal(month.fx):
                amounts = {"mrr_change": Decimal(month.fx), "mrr_change_original": Decimal(0)}
                rows.append({**keys, "currency": currency, "movement": "fx", **amounts})
    return rows


def expected_cohort(example: Example) -> list[dict[str, Any]]:
    """Every monthly cell of the example's segment in cohort_retention."""
    return [
        {
            "relationship": "contract",
            "cohort_grain": "month",
            "cohort_start": _month_start(example.cohort),
            "segment_dimension": "industry",
            "segment_value": example.name,
            "period_index": k,
            "customers_at_start": 1,
            "mrr_at_start": Decimal(example.at_start),
            "customers_retained": retained,
            "customers_retained_uninterrupted": uninterrupted,
            "logo_retention": float(retained),
        }
        for k, (retained, uninterrupted) in enumerate(zip(example.cells, example.uninterrupted, strict=True))
    ]


def expected_quarters(example: Example) -> list[dict[str, Any]]:
    """Every quarterly row of the example's segment in churn_by_segment that the definitions name."""
    return [
        {
            "period_grain": "quarter",
            "period_start": _month_start(name),
            "segment_dimension": "industry",
            "segment_value": example.name,
            **columns,
        }
        for name, columns in example.quarters.items()
    ]
