"""Simulated customer bases with known parameters, written as contract files, many told apart by `industry`.

`simulate_purchases` follows the story of BG/NBD and gamma-gamma, `simulate_contracts` that of the shifted beta
geometric model. Each returns what a customer's history is, so that the references can be fitted on it, and what the
history is worth under the true parameters: the value that an interval around a fitted one must cover. Same seed, same
files.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
from clv_reference import (
    BgNbd,
    GammaGamma,
    Histories,
    Renewals,
    Sbg,
    Spending,
    cents,
    contract_months,
    discounted_purchases,
    expected_spend,
    weeks,
)
from numpy.typing import NDArray
from oracle import add_months, complete_months

AS_OF = dt.date(2025, 7, 1)
CURRENCY = "EUR"


@dataclass(frozen=True)
class PurchaseBase:
    """A base of customers without contract, known by its industry, and the truth about it."""

    industry: str
    customers: int
    purchases: BgNbd
    spend: GammaGamma


@dataclass(frozen=True)
class ContractBase:
    """A base of monthly contracts, known by its industry, and the truth about it."""

    industry: str
    customers: int
    renewals: Sbg


@dataclass(frozen=True)
class PurchaseHistories:
    """What is known on the as-of date of each simulated customer; arrays have one entry per customer."""

    bases: tuple[PurchaseBase, ...]
    base: NDArray[np.int64]  # index of the customer's base
    account_id: list[str]
    x: NDArray[np.int64]  # repeat purchase days
    recency_days: NDArray[np.int64]
    age_days: NDArray[np.int64]
    mean: NDArray[np.float64]  # mean value of the repeat purchase days, 0 without one

    def histories(self, base: int) -> Histories:
        """What BG/NBD is fitted on."""
        chosen = self.base == base
        return Histories.of(self.x[chosen], weeks(self.recency_days[chosen]), weeks(self.age_days[chosen]))

    def spending(self, base: int) -> Spending:
        """What gamma-gamma is fitted on."""
        chosen = self.base == base
        return Spending.of(self.x[chosen], cents(self.mean[chosen]))

    def residual_values(
        self,
        base: int,
        months: int,
        yearly_rate: float,
        margin: float = 1.0,
        purchases: BgNbd | None = None,
        spend: GammaGamma | None = None,
    ) -> NDArray[np.float64]:
        """Per customer of a base (in the order of their ids) the discounted contribution expected in the next months,
        given the history and the true parameters (or others): what an interval of the expected value must cover."""
        chosen = self.base == base
        purchases, spend = purchases or self.bases[base].purchases, spend or self.bases[base].spend
        x, mean = self.x[chosen].astype(float), cents(self.mean[chosen])
        recency, age = weeks(self.recency_days[chosen]), weeks(self.age_days[chosen])
        expected = discounted_purchases(purchases, x, recency, age, months, yearly_rate)
        return expected * expected_spend(spend, x, mean) * margin

    def accounts(self, base: int) -> list[str]:
        """The ids of the accounts of a base."""
        return [self.account_id[i] for i in np.flatnonzero(self.base == base)]


@dataclass(frozen=True)
class ContractHistories:
    """What is known on the as-of date of each simulated contract; arrays have one entry per account."""

    bases: tuple[ContractBase, ...]
    base: NDArray[np.int64]
    account_id: list[str]
    left_in: NDArray[np.int64]  # period the account left in, 0 where it is still there
    completed: NDArray[np.int64]  # periods completed by the as-of date, for those still there
    mrr: NDArray[np.float64]

    def renewals(self, base: int) -> Renewals:
        """What the shifted beta geometric model is fitted on."""
        chosen = self.base == base
        left = self.left_in[chosen]
        return Renewals.of(left[left > 0], self.completed[chosen][left == 0])

    def residual_values(
        self, base: int, months: int, yearly_rate: float, margin: float = 1.0, renewals: Sbg | None = None
    ) -> NDArray[np.float64]:
        """Per account of a base the discounted contribution expected in the next months, given the history and the
        true parameters (or others); 0 for those who have left."""
        chosen = self.base == base
        parameters = renewals or self.bases[base].renewals

        @cache
        def paid(completed: int) -> float:
            # a monthly contract's next renewal is at most a month away
            return contract_months(parameters, completed, 1, 1, months, yearly_rate)

        left, completed, mrr = self.left_in[chosen], self.completed[chosen], self.mrr[chosen]
        return np.array(
            [0.0 if gone else margin * float(m) * paid(int(n)) for gone, n, m in zip(left, completed, mrr, strict=True)]
        )

    def accounts(self, base: int) -> list[str]:
        """The ids of the accounts of a base."""
        return [self.account_id[i] for i in np.flatnonzero(self.base == base)]


# --- purchases -------------------------------------------------------------------------------------------------------


def simulate_purchases(
    folder: Path | None,
    bases: Sequence[PurchaseBase],
    seed: int,
    *,
    as_of: dt.date = AS_OF,
    born_days: int = 182,
    days: int = 546,
) -> PurchaseHistories:
    """Writes accounts.parquet and orders.parquet of customers who first bought in the first `born_days` of the `days`
    before the as-of date. Orders carry the day's noon; several on one day stay orders and are one purchase day.
    Without a folder nothing is written."""
    rng = np.random.default_rng(seed)
    sizes = [base.customers for base in bases]
    base = np.repeat(np.arange(len(bases)), sizes)
    number = np.concatenate([np.arange(size) for size in sizes])
    r, alpha, a, b, p, q, v = (
        np.repeat(values, sizes)
        for values in zip(
            *(
                (
                    entry.purchases.r, entry.purchases.alpha, entry.purchases.a, entry.purchases.b,
                    entry.spend.p, entry.spend.q, entry.spend.v,
                )
                for entry in bases
            ),
            strict=True,
        )
    )  # fmt: skip
    count = len(base)
    daily_rate = rng.gamma(r) / alpha / 7
    dropout = rng.beta(a, b)
    nu = rng.gamma(q) / v
    customers, moments = [np.arange(count)], [rng.uniform(0, born_days, count)]
    buying, now = customers[0], moments[0]
    while len(buying):
        now = now + rng.exponential(size=len(buying)) / np.maximum(daily_rate[buying], 1e-300)
        within = now < days
        buying, now = buying[within], now[within]
        customers.append(buying)
        moments.append(now)
        stays = rng.uniform(size=len(buying)) >= dropout[buying]
        buying, now = buying[stays], now[stays]
    customer, day = np.concatenate(customers), np.floor(np.concatenate(moments)).astype(np.int64)
    amount = np.maximum(cents(rng.gamma(p[customer]) / nu[customer]), 0.01)
    order = np.lexsort((amount, day, customer))
    orders = pd.DataFrame({"customer": customer[order], "day": day[order], "amount": amount[order]})
    width = len(str(max(sizes)))
    account_id = [f"{bases[i].industry}-{n:0{width}d}" for i, n in zip(base, number, strict=True)]

    by_day = orders.groupby(["customer", "day"], sort=True)["amount"].sum().reset_index()
    by_customer = by_day.groupby("customer")
    first, last = by_customer["day"].first().to_numpy(), by_customer["day"].last().to_numpy()
    x = by_customer.size().to_numpy() - 1
    repeats = by_customer["amount"].sum().to_numpy() - by_customer["amount"].first().to_numpy()
    mean = np.where(x > 0, repeats / np.maximum(x, 1), 0.0)

    histories = PurchaseHistories(tuple(bases), base, account_id, x, last - first, days - 1 - first, mean)
    if folder is not None:
        _write_purchases(folder, histories, orders, first, as_of - dt.timedelta(days=days))
    return histories


def _write_purchases(
    folder: Path, histories: PurchaseHistories, orders: pd.DataFrame, first: NDArray[np.int64], start: dt.date
) -> None:
    accounts = pd.DataFrame(
        {
            "account_id": histories.account_id,
            "industry": [histories.bases[i].industry for i in histories.base],
            "number": np.arange(len(histories.base)),
            "acquired_day": first,
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.register("accounts", accounts)
        connection.register("orders", orders)
        _write(
            connection,
            folder / "accounts.parquet",
            f"""
            select account_id, 'b2c_shop' as business_model, industry, '{CURRENCY}' as currency,
                date '{start}' + cast(acquired_day as integer) as acquired_on
            from accounts order by number
            """,
        )
        _write(
            connection,
            folder / "orders.parquet",
            f"""
            select 'o' || row_number() over (order by customer, day, amount) as order_id, accounts.account_id,
                cast(date '{start}' + cast(day as integer) as timestamp) + interval 12 hour as ordered_at,
                cast(amount as decimal(18, 4)) as amount, '{CURRENCY}' as currency
            from orders inner join accounts on orders.customer = accounts.number
            """,
        )


def _write(connection: duckdb.DuckDBPyConnection, path: Path, query: str) -> None:
    connection.execute(f"copy ({query}) to '{path}' (format parquet)")


# --- contracts -------------------------------------------------------------------------------------------------------


def simulate_contracts(
    folder: Path,
    bases: Sequence[ContractBase],
    seed: int,
    *,
    as_of: dt.date = AS_OF,
    born_months: int = 12,
    months: int = 24,
) -> ContractHistories:
    """Writes accounts.parquet and subscriptions.parquet: monthly contracts begun in the first `born_months` of the
    `months` before the as-of date, one subscription each, ended on a renewal day. No day of a month after the 28th."""
    rng = np.random.default_rng(seed)
    sizes = [base.customers for base in bases]
    base = np.repeat(np.arange(len(bases)), sizes)
    number = np.concatenate([np.arange(size) for size in sizes])
    count = len(base)
    alpha, beta = (np.repeat([getattr(b.renewals, name) for b in bases], sizes) for name in ("alpha", "beta"))
    # for a very small chance to leave the draw would be beyond what an integer holds
    leaves_in = np.minimum(rng.geometric(np.maximum(rng.beta(alpha, beta), 1e-9)), 10_000)
    first_month, first_day = rng.integers(0, born_months, count), rng.integers(1, 29, count)
    mrr = cents(rng.gamma(4.0, 15.0, count) + 5)
    opening = add_months(as_of.replace(day=1), -months)
    starts = [add_months(opening, int(m)).replace(day=int(d)) for m, d in zip(first_month, first_day, strict=True)]
    ends: list[dt.date | None] = []
    completed = np.zeros(count, dtype=np.int64)
    for i, start in enumerate(starts):
        completed[i] = complete_months(start, as_of)
        ends.append(add_months(start, int(leaves_in[i])) if leaves_in[i] <= completed[i] else None)
    left_in = np.where(leaves_in <= completed, leaves_in, 0)
    width = len(str(max(sizes)))
    account_id = [f"{bases[i].industry}-{n:0{width}d}" for i, n in zip(base, number, strict=True)]
    table = pd.DataFrame(
        {
            "account_id": account_id,
            "industry": [bases[i].industry for i in base],
            "valid_from": pd.to_datetime(pd.Series(starts)),
            "valid_to": pd.to_datetime(pd.Series(ends)),
            "amount": mrr,
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.register("contracts", table)
        _write(
            connection,
            folder / "accounts.parquet",
            f"""
            select account_id, 'b2c_subscription' as business_model, industry, '{CURRENCY}' as currency,
                cast(valid_from as date) as acquired_on
            from contracts
            """,
        )
        _write(
            connection,
            folder / "subscriptions.parquet",
            f"""
            select account_id || '-s' as subscription_id, cast(valid_from as date) as valid_from, account_id,
                'plan' as plan, cast(amount as decimal(18, 4)) as amount, '{CURRENCY}' as currency,
                1 as billing_interval_months, cast(valid_to as date) as valid_to, 1 as contract_term_months
            from contracts
            """,
        )
    return ContractHistories(tuple(bases), base, account_id, left_in, completed, mrr)


# --- bases to compare on ---------------------------------------------------------------------------------------------

# (r, alpha, a, b, p, q, v): rare and frequent buyers, equal and unequal ones, a below, at and above 1, dropout rare and
# common, spending equal and unequal.
_PARAMETERS = [
    (0.243, 4.414, 0.793, 2.426, 6.25, 3.74, 15.44),
    (0.12, 3.0, 0.6, 2.0, 3.0, 4.0, 30.0),
    (0.08, 1.5, 1.4, 6.0, 2.0, 3.0, 40.0),
    (0.5, 6.0, 1.0, 3.0, 4.0, 5.0, 25.0),
    (0.5, 60.0, 0.5, 1.5, 8.0, 6.0, 20.0),
    (1.0, 10.0, 0.3, 1.2, 1.5, 2.5, 50.0),
    (1.0, 30.0, 2.0, 5.0, 5.0, 3.5, 12.0),
    (1.5, 25.0, 0.8, 4.0, 10.0, 8.0, 35.0),
    (2.0, 120.0, 1.2, 2.5, 3.0, 2.2, 18.0),
    (2.5, 20.0, 0.9, 7.0, 6.0, 4.5, 10.0),
    (3.0, 60.0, 0.4, 0.9, 2.5, 6.0, 80.0),
    (4.0, 80.0, 3.0, 9.0, 7.0, 5.0, 22.0),
    (0.3, 12.0, 0.2, 0.7, 1.0, 4.0, 60.0),
    (0.6, 4.0, 2.5, 12.0, 12.0, 7.0, 45.0),
    (0.8, 16.0, 0.7, 0.7, 4.5, 3.0, 14.0),
    (1.2, 8.0, 0.25, 3.0, 2.0, 5.0, 60.0),
    (1.8, 70.0, 1.1, 3.3, 6.0, 10.0, 90.0),
    (0.9, 5.0, 5.0, 20.0, 2.2, 3.2, 28.0),
    (0.2, 8.0, 1.02, 2.0, 9.0, 4.2, 16.0),
    (3.5, 35.0, 0.6, 1.8, 3.3, 9.0, 75.0),
]
_RENEWALS = [
    (0.704, 1.182), (0.668, 3.806), (0.3, 1.5), (1.0, 1.0), (1.5, 12.0), (2.5, 8.0), (0.5, 10.0), (4.0, 40.0),
    (0.2, 0.6), (1.2, 25.0),
]  # fmt: skip


def comparison_bases(customers: int = 1500) -> list[PurchaseBase]:
    """The 20 varied bases that the fits in SQL and in scipy are compared on."""
    return [
        PurchaseBase(f"p{n:02d}", customers, BgNbd(*values[:4]), GammaGamma(*values[4:]))
        for n, values in enumerate(_PARAMETERS, 1)
    ]


def comparison_contracts(customers: int = 1000) -> list[ContractBase]:
    """Ten varied contract bases that the fits in SQL and in scipy are compared on."""
    return [ContractBase(f"k{n:02d}", customers, Sbg(*values)) for n, values in enumerate(_RENEWALS, 1)]


def coverage_bases(count: int = 200, customers: int = 600) -> list[PurchaseBase]:
    """Many small bases for the coverage of intervals, of four kinds. Purchases are rare, so that hardly two fall on one
    day: merging those is what the model knows nothing of."""
    kinds = [
        (BgNbd(1.0, 20.0, 0.8, 2.4), GammaGamma(6.0, 4.0, 15.0)),
        (BgNbd(1.5, 24.0, 0.6, 2.0), GammaGamma(4.0, 5.0, 30.0)),
        (BgNbd(0.8, 14.0, 1.2, 4.0), GammaGamma(8.0, 3.5, 10.0)),
        (BgNbd(2.0, 30.0, 1.0, 3.0), GammaGamma(5.0, 6.0, 25.0)),
    ]
    return [PurchaseBase(f"b{n:03d}", customers, *kinds[n % 4]) for n in range(1, count + 1)]


def coverage_contracts(count: int = 200, customers: int = 500) -> list[ContractBase]:
    """The same for contracts."""
    kinds = [Sbg(0.7, 3.8), Sbg(1.0, 5.0), Sbg(1.5, 9.0), Sbg(0.7, 1.2)]
    return [ContractBase(f"c{n:03d}", customers, kinds[n % 4]) for n in range(1, count + 1)]
