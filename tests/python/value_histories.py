"""A mixed customer base for the proof of customer value: contracts, shops, both and neither, with everything that value
depends on, made by a seeded builder from the same stories in turn and written as contract files.

Every day in it is chosen where arithmetic by day may go wrong: ends of months, the as-of date and the days beside it,
leap days, intervals longer than a year. Prices have ties in the fifth decimal at some rate or another.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from oracle import DAY, add_months
from project import write_entity

Rows = dict[str, list[dict[str, Any]]]

AS_OF = dt.date(2025, 6, 18)
FIRST_DAY = dt.date(2023, 1, 1)

COLUMNS: dict[str, list[str]] = {
    "accounts": [
        "account_id", "merged_into", "is_test", "business_model", "industry", "acquisition_channel", "acquired_on",
        "currency", "gross_margin",
    ],
    "subscriptions": [
        "subscription_id", "valid_from", "account_id", "plan", "quantity", "amount", "list_amount", "currency",
        "billing_interval_months", "valid_to", "contract_term_months", "contract_end_on", "auto_renews", "is_trial",
        "is_paused", "notice_given_on",
    ],
    "cancellations": [
        "cancellation_id", "account_id", "subscription_id", "requested_on", "effective_on", "reason_code",
    ],
    "orders": [
        "order_id", "account_id", "ordered_at", "amount", "discount_amount", "cost_amount", "returned_amount",
        "currency",
    ],
    "invoices": ["invoice_id", "account_id", "issued_on", "amount", "currency", "status", "refunded_amount"],
    "support_tickets": ["ticket_id", "account_id", "opened_at"],
    "loyalty_memberships": ["account_id", "programme", "valid_from", "valid_to", "programme_kind"],
    "costs": [
        "cost_id", "period_start", "period_end", "kind", "category", "channel", "account_id", "amount", "currency",
    ],
    "fx_rates": ["currency", "quote_currency", "rate_on", "rate"],
}  # fmt: skip

CHANNELS = ["search", "search", "referral", "fair", None]
PRICES = ["9.99", "19.90", "49.95", "100", "250", "33.3333", "1000.006", "10.0005", "1234.5678", "10.001"]


@dataclass
class _Builder:
    """The rows so far; one story at a time adds those of its account."""

    seed: int
    as_of: dt.date
    rows: Rows = field(default_factory=lambda: {entity: [] for entity in COLUMNS})

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.account_id = ""

    def add(self, entity: str, **values: Any) -> None:
        assert values.keys() <= set(COLUMNS[entity]), values.keys() - set(COLUMNS[entity])
        self.rows[entity].append({column: values.get(column) for column in COLUMNS[entity]})

    def account(self, number: int, story: str, since: dt.date, model: str, **values: Any) -> None:
        self.account_id = f"a{number:03d}"
        self.add(
            "accounts",
            account_id=self.account_id,
            business_model=model,
            industry=story,
            acquired_on=since,
            currency="EUR",
            **{"acquisition_channel": self.random.choice(CHANNELS)} | values,
        )

    def version(self, start: dt.date, *, sub: str = "s", **values: Any) -> None:
        defaults = {
            "plan": "plan", "amount": self.price(), "currency": "EUR", "billing_interval_months": 1,
        }  # fmt: skip
        self.add(
            "subscriptions",
            subscription_id=f"{self.account_id}{sub}",
            valid_from=start,
            account_id=self.account_id,
            **defaults | values,
        )

    def order(self, day: dt.date, hour: int = 12, **values: Any) -> None:
        amount = Decimal(self.random.randint(500, 20000)) / 100
        self.add(
            "orders",
            order_id=f"o{len(self.rows['orders']):05d}",
            account_id=self.account_id,
            ordered_at=dt.datetime.combine(day, dt.time(hour, 59, 59)),
            **{"amount": amount, "currency": "EUR"} | values,
        )

    def ticket(self, moment: dt.datetime) -> None:
        self.add(
            "support_tickets",
            ticket_id=f"t{len(self.rows['support_tickets']):05d}",
            account_id=self.account_id,
            opened_at=moment,
        )

    def invoice(self, day: dt.date, amount: str, currency: str = "EUR", **values: Any) -> None:
        self.add(
            "invoices",
            invoice_id=f"i{len(self.rows['invoices']):05d}",
            account_id=self.account_id,
            issued_on=day,
            amount=Decimal(amount),
            currency=currency,
            **values,
        )

    def bill(self, since: dt.date, every: int, amount: str, currency: str = "EUR") -> None:
        """Invoices of the same amount every so many months, the last on or after the as-of date."""
        k = 0
        while (day := add_months(since, k * every)) < add_months(self.as_of, every):
            self.invoice(day, amount, currency, status="paid")
            k += 1

    def cost(self, start: str, end: str, kind: str, amount: str, **values: Any) -> None:
        self.add(
            "costs",
            cost_id=f"c{len(self.rows['costs']):05d}",
            period_start=dt.date.fromisoformat(start),
            period_end=dt.date.fromisoformat(end),
            kind=kind,
            amount=Decimal(amount),
            **{"currency": "EUR"} | values,
        )

    def price(self) -> Decimal:
        return Decimal(self.random.choice(PRICES))

    def day(self, first: str = "2023-01-05", last: str = "2025-02-20") -> dt.date:
        """A day between two, mostly at an edge of a month."""
        start, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
        day = start + self.random.randrange((end - start).days + 1) * DAY
        edge = self.random.choice([day, day.replace(day=1), add_months(day.replace(day=1), 1) - DAY])
        return min(max(edge, start), end)

    def margin(self) -> Decimal | None:
        return self.random.choice([None, None, Decimal("0.7"), Decimal("0.35"), Decimal("0.123456")])


# --- stories: each adds one account ----------------------------------------------------------------------------------


def _monthly(b: _Builder, n: int) -> None:
    start = b.day()
    b.account(n, "monthly", start, "b2c_subscription", gross_margin=b.margin())
    price = b.price()
    b.version(start, amount=price, list_amount=price + Decimal("5.0001"), quantity=b.random.choice([None, 2, 3]))
    b.bill(start, 1, "99.95")


def _month_end(b: _Builder, n: int) -> None:
    start = b.random.choice([dt.date(2023, 1, 31), dt.date(2024, 1, 31), dt.date(2024, 8, 31), dt.date(2023, 12, 30)])
    b.account(n, "month end", start, "b2c_subscription", gross_margin=b.margin())
    b.version(start, currency="USD", contract_term_months=1)


def _yearly(b: _Builder, n: int) -> None:
    start = b.random.choice([dt.date(2024, 2, 29), b.day()])
    b.account(n, "yearly", start, "b2b_contract", gross_margin=b.margin())
    b.version(start, billing_interval_months=12, contract_term_months=12, amount=Decimal("1000"), list_amount=1200)
    b.bill(start, 12, "1000")


def _year_by_month(b: _Builder, n: int) -> None:
    start = b.day()
    b.account(n, "year by month", start, "b2b_contract")
    b.version(start, contract_term_months=12, quantity=Decimal("2.5"))
    b.bill(start, 1, "333.3335")


def _quarterly_dollars(b: _Builder, n: int) -> None:
    start = b.day()
    b.account(n, "quarterly", start, "b2b_contract", gross_margin=b.margin())
    b.version(start, billing_interval_months=3, contract_term_months=6, currency="USD", list_amount=Decimal("999.9999"))


def _two_years(b: _Builder, n: int) -> None:
    start = b.day("2023-01-05", "2024-12-31")
    b.account(n, "two years", start, "b2b_contract")
    b.version(start, billing_interval_months=24, contract_term_months=24, currency="USD", amount=Decimal("2400.01"))
    b.bill(start, 24, "2400.01", "USD")


def _term_switch(b: _Builder, n: int) -> None:
    start = b.day("2023-01-05", "2024-06-30")
    switch = add_months(start, 7)
    b.account(n, "term switch", start, "b2b_contract")
    b.version(start, valid_to=switch, contract_term_months=1)
    b.version(switch, contract_term_months=12, billing_interval_months=12, amount=Decimal("500"))


def _price_rise(b: _Builder, n: int) -> None:
    start = b.day("2023-01-05", "2024-06-30")
    b.account(n, "price rise", start, "b2b_contract", gross_margin=b.margin())
    b.version(start, amount=Decimal("40"), list_amount=50, contract_term_months=3)
    b.version(add_months(start, 5) + 11 * DAY, amount=Decimal("45"), list_amount=45, contract_term_months=3)


def _pause(b: _Builder, n: int) -> None:
    start = b.day("2023-01-05", "2024-08-31")
    pause, back = add_months(start, 4), add_months(start, 6) + 10 * DAY
    b.account(n, "pause", start, "b2c_subscription")
    b.version(start, amount=Decimal("30"), list_amount=33)
    b.version(pause, amount=Decimal("30"), list_amount=33, is_paused=True)
    b.version(back, amount=Decimal("30"), list_amount=33)


def _paused_now(b: _Builder, n: int) -> None:
    start = b.day("2023-01-05", "2024-08-31")
    b.account(n, "paused now", start, "b2c_subscription")
    b.version(start, amount=Decimal("30"))
    b.version(dt.date(2025, 5, 31), amount=Decimal("30"), is_paused=True)


def _trial(b: _Builder, n: int) -> None:
    start = b.day()
    b.account(n, "trial", start, "b2c_subscription")
    b.version(start, is_trial=True, amount=0)
    b.version(start + 30 * DAY, list_amount=Decimal("99"), amount=Decimal("79.99"))


def _trial_only(b: _Builder, n: int) -> None:
    start = b.day("2025-01-01", "2025-06-01")
    b.account(n, "trial only", start, "b2c_subscription")
    b.version(start, is_trial=True, amount=0, valid_to=start + 14 * DAY)
    b.ticket(dt.datetime.combine(start, dt.time(10)))


def _free(b: _Builder, n: int) -> None:
    start = b.day()
    b.account(n, "free", start, "b2c_subscription")
    b.version(start, amount=0, list_amount=Decimal("25"))


def _left_on_time(b: _Builder, n: int) -> None:
    start = b.day("2023-01-05", "2024-08-31")
    b.account(n, "left on time", start, "b2c_subscription", gross_margin=b.margin())
    b.version(start, valid_to=add_months(start, b.random.randint(1, 9)), contract_term_months=1)


def _left_mid_term(b: _Builder, n: int) -> None:
    start = b.day("2023-01-05", "2024-06-30")
    b.account(n, "left mid term", start, "b2b_contract")
    end = add_months(start, b.random.randint(2, 10)) + 9 * DAY
    b.version(start, valid_to=end, contract_term_months=12, billing_interval_months=12, amount=Decimal("600.0001"))


def _left_after_years(b: _Builder, n: int) -> None:
    start = b.day("2023-01-05", "2024-05-31")
    years = b.random.choice([1, 1, 2]) if start < dt.date(2023, 6, 1) else 1
    b.account(n, "left after years", start, "b2b_contract", gross_margin=b.margin())
    b.version(start, valid_to=add_months(start, 12 * years), contract_term_months=12, list_amount=2000)


def _ends_today(b: _Builder, n: int) -> None:
    start = add_months(b.as_of, -6)
    b.account(n, "ends today", start, "b2c_subscription")
    b.version(start, valid_to=b.as_of)


def _starts_today(b: _Builder, n: int) -> None:
    b.account(n, "starts today", b.as_of, "b2c_subscription")
    b.version(b.as_of, currency="USD")


def _renews_today(b: _Builder, n: int) -> None:
    start = add_months(b.as_of, -12)
    b.account(n, "renews today", start, "b2b_contract")
    b.version(start, contract_term_months=12)


def _returner(b: _Builder, n: int) -> None:
    start = b.day("2023-01-05", "2023-12-31")
    b.account(n, "returner", start, "b2c_subscription")
    b.version(start, valid_to=add_months(start, 5), contract_term_months=1)
    b.version(add_months(start, 8) + 3 * DAY, sub="r", contract_term_months=1, currency="USD")


def _two_subscriptions(b: _Builder, n: int) -> None:
    start = b.day("2023-01-05", "2024-06-30")
    b.account(n, "two subscriptions", start, "b2b_contract", gross_margin=b.margin())
    b.version(start, sub="m", amount=Decimal("300"), contract_term_months=12)
    b.version(add_months(start, 3), sub="x", amount=Decimal("20"), valid_to=add_months(start, 9))
    b.version(start, sub="z", amount=Decimal("60"), billing_interval_months=12, contract_term_months=12)


def _notice(b: _Builder, n: int) -> None:
    start = add_months(b.as_of, -b.random.choice([10, 14, 20])) + b.random.choice([-6, 0, 5]) * DAY
    end = start
    while end <= b.as_of:
        end = add_months(start, (end.year - start.year) * 12 + end.month - start.month + 12)
    requested = b.as_of - b.random.choice([1, 20]) * DAY
    b.account(n, "notice", start, "b2b_contract")
    b.version(
        start, contract_term_months=12, contract_end_on=end, notice_given_on=requested, valid_to=end, auto_renews=False
    )
    b.add(
        "cancellations",
        cancellation_id=f"x{n:03d}",
        account_id=b.account_id,
        subscription_id=f"{b.account_id}s",
        requested_on=requested,
        effective_on=end,
        reason_code="price",
    )


def _does_not_renew(b: _Builder, n: int) -> None:
    start = add_months(b.as_of, -b.random.choice([4, 9])) - 2 * DAY
    b.account(n, "does not renew", start, "b2b_contract")
    b.version(start, contract_term_months=12, contract_end_on=add_months(start, 12), auto_renews=False)


def _refunded(b: _Builder, n: int) -> None:
    start = b.day("2023-01-05", "2024-12-31")
    b.account(n, "refunded", start, "b2b_contract", gross_margin=b.margin())
    b.version(start, amount=Decimal("120"))
    b.invoice(start, "120", status="paid", refunded_amount=Decimal("40.0005"))
    b.invoice(add_months(start, 1), "120", status=None, refunded_amount=Decimal("5"))
    b.invoice(add_months(start, 2), "-20", status="paid")
    b.invoice(add_months(start, 2), "120", status="void", refunded_amount=Decimal("120"))
    b.invoice(add_months(start, 3), "99.99", "USD", status="paid", refunded_amount=Decimal("9.99"))
    b.invoice(b.as_of, "120", status="paid", refunded_amount=Decimal("77"))


def _shop(b: _Builder, n: int) -> None:
    """As the models have it, so that there is something to fit: rate, dropout and level of spending of his own."""
    start = b.day()
    b.account(n, "shop", start, "b2c_shop", gross_margin=b.margin())
    rate = b.random.gammavariate(1.2, 1 / 9) / 7
    dropout = b.random.betavariate(0.8, 2.4)
    level = b.random.gammavariate(5, 1 / 60)
    moment = 0.0
    while (day := start + int(moment) * DAY) < b.as_of:
        spent = Decimal(max(1, round(100 * b.random.gammavariate(2.5, 1 / level)))) / 100
        b.order(day, b.random.choice([0, 12, 23]), amount=spent, cost_amount=b.random.choice([None, Decimal("3.21")]))
        if b.random.random() < 0.1:
            b.order(day, 20, discount_amount=Decimal("2.5"), amount=Decimal("9.99"))
        if moment and b.random.random() < dropout:
            break
        moment += b.random.expovariate(rate)


def _shop_returns(b: _Builder, n: int) -> None:
    start = b.day()
    b.account(n, "shop returns", start, "b2c_shop")
    b.order(start, amount=Decimal("80"), returned_amount=Decimal("80"))
    b.order(start + 12 * DAY, amount=Decimal("60.5"), returned_amount=Decimal("20.25"), discount_amount=Decimal("4"))
    b.order(start + 70 * DAY, amount=Decimal("33.33"), returned_amount=0)


def _shop_dollars(b: _Builder, n: int) -> None:
    start = b.day()
    b.account(n, "shop dollars", start, "b2c_shop", gross_margin=b.margin())
    for gap in (0, 3, 40, 41, 95):
        b.order(min(start + gap * DAY, b.as_of - DAY), currency="USD", returned_amount=Decimal("1.0005"))
        if b.random.random() < 0.2:
            break


def _one_purchase(b: _Builder, n: int) -> None:
    start = b.day("2023-01-05", "2025-06-17")
    b.account(n, "one purchase", start, "b2c_shop")
    b.order(start)


def _long_ago(b: _Builder, n: int) -> None:
    start = b.day("2023-01-05", "2023-06-30")
    b.account(n, "long ago", start, "b2c_shop")
    b.order(start)
    b.order(start + 100 * DAY)
    b.order(add_months(start + 100 * DAY, 12) + 20 * DAY)  # returns after more than a year


def _bought_yesterday(b: _Builder, n: int) -> None:
    b.account(n, "bought yesterday", b.as_of - DAY, "b2c_shop")
    b.order(b.as_of - DAY, 23)
    b.order(b.as_of, 0)  # not before the as-of date


def _both(b: _Builder, n: int) -> None:
    start = b.day("2023-03-01", "2024-10-31")
    bought = start - 30 * DAY
    b.account(n, "both", bought, "b2b_contract", gross_margin=b.margin())
    b.version(start, amount=Decimal("75"), list_amount=Decimal("80"))
    b.order(bought)
    b.order(start + 100 * DAY, returned_amount=Decimal("1"), discount_amount=Decimal("1.11"))


def _never_paying(b: _Builder, n: int) -> None:
    start = b.day("2024-06-01")
    b.account(n, "never paying", start, "b2b_contract")
    b.ticket(dt.datetime.combine(start, dt.time(9)))


def _test_account(b: _Builder, n: int) -> None:
    start = b.day()
    b.account(n, "test account", start, "b2b_contract", is_test=True)
    b.version(start)
    b.order(start)
    b.ticket(dt.datetime.combine(start, dt.time(9)))


def _merged(b: _Builder, n: int) -> None:
    start = dt.date(2023, 11, 30)
    survivor = next(row["account_id"] for row in b.rows["accounts"] if row["industry"] == "yearly")
    b.account(n, "merged", start, "b2b_contract", merged_into=survivor)
    b.version(start, amount=Decimal("11.11"), valid_to=dt.date(2024, 10, 7))
    b.ticket(dt.datetime(2024, 3, 31, 23, 59, 59))
    b.invoice(dt.date(2024, 2, 29), "50", status="paid", refunded_amount=Decimal("50"))


STORIES: list[Callable[[_Builder, int], None]] = [
    _monthly, _yearly, _shop, _month_end, _year_by_month, _quarterly_dollars, _shop, _two_years, _term_switch, _shop,
    _price_rise, _pause, _paused_now, _shop_dollars, _trial, _trial_only, _free, _left_on_time, _shop, _left_mid_term,
    _ends_today, _starts_today, _renews_today, _shop_returns, _returner, _two_subscriptions, _notice, _does_not_renew,
    _shop, _refunded, _one_purchase, _long_ago, _bought_yesterday, _both, _never_paying, _left_on_time, _test_account,
    _merged, _shop, _monthly, _one_purchase, _shop_dollars, _shop, _left_after_years, _shop, _yearly, _shop,
    _left_after_years, _shop, _shop,
]  # fmt: skip


# --- what surrounds the accounts -------------------------------------------------------------------------------------


def _rates(b: _Builder) -> None:
    day, rate = FIRST_DAY - 3 * DAY, Decimal("0.93")
    while day <= b.as_of + 10 * DAY:
        b.add("fx_rates", currency="USD", quote_currency="EUR", rate_on=day, rate=rate)
        rate = max(Decimal("0.8"), rate + Decimal(b.random.randint(-900, 900)) / 100000)
        day += b.random.choice([1, 2, 5, 7]) * DAY


def _tickets(b: _Builder) -> None:
    """Some accounts write often; in May 2024 and before July 2023 nobody does."""
    for row in b.rows["accounts"]:
        b.account_id = row["account_id"]
        if b.random.random() < 0.5:
            continue
        for _ in range(b.random.randint(1, 9)):
            day = b.day("2023-07-01", "2025-06-25")
            if (day.year, day.month) != (2024, 5) and day >= row["acquired_on"]:
                b.ticket(dt.datetime.combine(day, dt.time(b.random.choice([0, 12, 23]), 59, 59)))


def _memberships(b: _Builder) -> None:
    """Members from 2024 on; some leave, some change their tier, two never were customers of anything."""
    for row in b.rows["accounts"]:
        if b.random.random() < 0.35 or row["industry"] == "never paying":
            start = max(b.day("2024-01-15", "2025-03-01"), row["acquired_on"])
            end = b.random.choice([None, None, start + b.random.choice([1, 40, 200]) * DAY])
            b.add(
                "loyalty_memberships",
                account_id=row["account_id"],
                programme="club",
                valid_from=start,
                valid_to=end,
                programme_kind="points",
            )


def _costs(b: _Builder) -> None:
    named = {row["industry"]: row["account_id"] for row in b.rows["accounts"] if row["industry"] != "merged"}
    quarters = ["2023-01-01", "2023-04-01", "2023-07-01", "2023-10-01", "2024-01-01", "2024-04-01", "2024-07-01",
                "2024-10-01", "2025-01-01", "2025-04-01", "2025-07-01"]  # fmt: skip
    for start, end in pairwise(quarters):
        b.cost(start, end, "retention", "600.01", category="team")
        b.cost(start, end, "retention", "-133.3333", category="rewards")
        b.cost(start, end, "service", "277.77", category="team")
        if start != "2023-04-01":  # a quarter without any row of acquisition costs
            b.cost(start, end, "acquisition", "900", category="advertising", channel="search")
            b.cost(start, end, "acquisition", "444.4444", category="advertising", currency="USD", channel="referral")
        if start >= "2024-01-01":
            b.cost(start, end, "acquisition", "250.05", category="sales")
    b.cost("2022-11-15", "2022-12-15", "service", "100", category="team")  # nobody was there
    b.cost("2022-11-15", "2022-12-15", "retention", "50", category="team")
    b.cost("2024-02-29", "2024-02-29", "service", "29.29", category="software")
    b.cost("2024-05-03", "2024-05-04", "service", "-4000", category="team")  # more credit than cost: a negative pool
    b.cost("2024-03-15", "2025-09-15", "retention", "1234.5678", category="software", currency="USD")
    b.cost("2025-06-10", "2025-06-30", "service", "77.7777", category="software")
    b.cost("2025-06-01", "2025-07-01", "retention", "-60", category="rewards")
    for story, kind, amount in (
        ("monthly", "service", "12.3456"), ("shop", "retention", "30"), ("shop", "retention", "-45.5"),
        ("never paying", "service", "66"), ("yearly", "acquisition", "310"), ("shop dollars", "acquisition", "9.99"),
        ("quarterly", "retention", "80"), ("test account", "service", "5000"), ("both", "service", "3"),
    ):  # fmt: skip
        b.cost("2024-09-17", "2024-11-03", kind, amount, category="team", account_id=named[story], currency="USD")
    merged = next(row["account_id"] for row in b.rows["accounts"] if row["industry"] == "merged")
    b.cost("2024-04-11", "2024-04-20", "service", "17", category="team", account_id=merged)
    b.cost("2023-05-02", "2023-05-03", "retention", "17", account_id=named["returner"])


def value_base(seed: int = 1, accounts: int = 150, as_of: dt.date = AS_OF) -> Rows:
    """The rows of a mixed base: the stories in turn, until there are so many accounts, then what surrounds them."""
    builder = _Builder(seed, as_of)
    for number in range(accounts):
        STORIES[number % len(STORIES)](builder, number)
    _rates(builder)
    _tickets(builder)
    _memberships(builder)
    _costs(builder)
    return builder.rows


def write_value_base(folder: Path, rows: Rows) -> None:
    """Writes the rows as contract files."""
    for entity, entries in rows.items():
        write_entity(folder, entity, entries, COLUMNS[entity])
