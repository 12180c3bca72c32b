"""Random customer histories, made by hypothesis, to be packed into one build and compared with the oracle.

One history is the whole input of one customer: account, subscription versions, sometimes attribute history, orders and
corrections. It knows no other customer, and carries a segment value of its own (its name as industry), so that every
mart shows it apart. The days gather where mistakes live: boundaries and the days beside them, ends of months, D.
"""

from __future__ import annotations

import datetime as dt
import pickle
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

Rows = dict[str, list[dict[str, Any]]]

FIRST_DAY = dt.date(2023, 6, 1)
LAST_DAY = dt.date(2025, 8, 15)
# The two days the builds are for: the first of a quarter, and one inside a month, week, quarter and year.
AS_OF_BOUNDARY = dt.date(2025, 7, 1)
AS_OF_INSIDE = dt.date(2025, 4, 17)
AS_OFS = (AS_OF_BOUNDARY, AS_OF_INSIDE)
DAY = dt.timedelta(days=1)

COLUMNS: dict[str, list[str]] = {
    "accounts": [
        "account_id", "merged_into", "is_test", "business_model", "industry", "acquired_on", "recorded_at",
    ],
    "account_history": ["account_id", "valid_from", "industry", "recorded_at"],
    "subscriptions": [
        "subscription_id", "valid_from", "account_id", "plan", "quantity", "amount", "currency",
        "billing_interval_months", "valid_to", "contract_term_months", "is_trial", "is_paused", "notice_given_on",
        "recorded_at",
    ],
    "orders": ["order_id", "account_id", "ordered_at", "amount", "returned_amount", "currency", "recorded_at"],
    "fx_rates": ["currency", "quote_currency", "rate_on", "rate", "recorded_at"],
}  # fmt: skip


@dataclass
class History:
    """The input rows of one customer; its keys are local until it is named."""

    rows: Rows = field(default_factory=lambda: {entity: [] for entity in COLUMNS if entity != "fx_rates"})

    def days(self) -> object:
        """When its subscriptions began and its orders came."""
        began = [(row["subscription_id"], row["valid_from"]) for row in self.rows["subscriptions"]]
        return tuple(began), tuple(row["ordered_at"] for row in self.rows["orders"])

    def named(self, name: str) -> Rows:
        """The rows with every key made unique by the history's name, which is its account's id and industry too."""
        found: Rows = {}
        for entity, rows in self.rows.items():
            found[entity] = []
            for row in rows:
                named = {column: row.get(column) for column in COLUMNS[entity]}
                for column in ("account_id", "merged_into", "industry", "subscription_id", "order_id"):
                    local = named.get(column)
                    if local is not None:
                        named[column] = f"{name}{local}"
                found[entity].append(named)
        return found


# --- days ------------------------------------------------------------------------------------------------------------


def _edges() -> list[dt.date]:
    """Boundaries and the days beside them, the last days of months, and the days around each D."""
    days = [FIRST_DAY + n * DAY for n in range((LAST_DAY - FIRST_DAY).days + 1)]
    edges = [day for day in days if day.day in (1, 2, 15, 29, 30, 31) or (day + DAY).day == 1]
    return edges + [as_of + n * DAY for as_of in AS_OFS for n in (-2, -1, 0, 1, 2)] * 6


EDGES = _edges()
days = st.one_of(st.sampled_from(EDGES), st.dates(FIRST_DAY, LAST_DAY), st.sampled_from(EDGES))
# A customer comes at any time; mostly early enough for something to happen afterwards.
arrivals = st.one_of(
    days,
    *[st.sampled_from([day for day in EDGES if day < dt.date(2025, 1, 5)])] * 3,
    st.dates(FIRST_DAY, dt.date(2024, 12, 31)),
)
steps = st.sampled_from([1, 2, 5, 13, 27, 28, 30, 31, 32, 45, 59, 61, 89, 92, 120, 181, 200, 365])
moments = st.sampled_from(["00:00:00", "12:30:00", "23:59:58"])  # the second after is the moment before a day


def rarely(one_in: int) -> st.SearchStrategy[bool]:
    return st.sampled_from([False] * (one_in - 1) + [True])


# --- prices ----------------------------------------------------------------------------------------------------------

# 10.0002 a year, 10.001 at .95, 10.0005 x .5: ties in the fifth decimal, which a double may round the wrong way.
_ordinary = [
    "0",
    "9.99",
    "10",
    "10",
    "19.90",
    "33.3333",
    "49.95",
    "50",
    "100",
    "100",
    "250",
    "999.99",
    "1000",
    "1234.5678",
]
_ties = ["10.0002", "10.001", "10.0005", "0.0009", "1000.006"]
amounts = st.sampled_from(_ordinary + _ties)
quantities = st.sampled_from([None, None, None, "1", "1", "2", "3", "7", "2.5", "0.5", "0.3333", "0"])
intervals = st.sampled_from([1, 1, 1, 1, 3, 6, 12, 12, 24])
currencies = st.sampled_from(["EUR", "EUR", "EUR", "USD", "USD", "GBP"])
terms = st.sampled_from([None, 0, 1, 2, 6, 11, 12, 12, 18, 23, 24, 36])
plans = st.sampled_from([None, "basic", "basic", "plus", "plus", "pro"])


@st.composite
def _price(draw: st.DrawFn) -> dict[str, Any]:
    quantity = draw(quantities)
    return {
        "plan": draw(plans),
        "quantity": None if quantity is None else Decimal(quantity),
        "amount": Decimal(draw(amounts)),
        "currency": draw(currencies),
        "billing_interval_months": draw(intervals),
        "contract_term_months": draw(terms),
    }


@st.composite
def _next_price(draw: st.DrawFn, price: dict[str, Any]) -> dict[str, Any]:
    """The price of a following version: the same one, another amount or quantity or currency, or a new one."""
    kind = draw(st.sampled_from(["same", "same", "amount", "amount", "quantity", "currency", "new"]))
    fresh = draw(_price())
    if kind == "new":
        return fresh
    return price if kind == "same" else {**price, kind: fresh[kind]}


# --- subscriptions ---------------------------------------------------------------------------------------------------


@st.composite
def _end(draw: st.DrawFn, start: dt.date, following: dt.date | None) -> dt.date | None:
    """A version's `valid_to`: none, its own first day, the next version's, a gap before it or an overlap with it."""
    if following is None:
        kinds = ["open", "open", "open", "later", "later", "edge", "never served"]
    else:
        kinds = ["open", "open", "joined", "joined", "gap", "gap", "gap", "overlap", "never served"]
    kind = draw(st.sampled_from(kinds))
    if kind == "open":
        return None
    if kind == "never served":
        return start if draw(rarely(2)) else None
    if kind == "joined":
        return following
    if kind == "overlap":
        assert following is not None
        return following + draw(steps) * DAY
    if kind == "gap":
        assert following is not None
        return max(start + DAY, following - draw(st.sampled_from([1, 2, 5, 10, 20, 28, 31, 40, 70])) * DAY)
    if kind == "later":
        return start + draw(steps) * DAY
    return draw(days.filter(lambda day: day > start) if start < LAST_DAY else st.none())


@st.composite
def _subscription(draw: st.DrawFn, local_id: str, ended: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The versions of one subscription; a switch begins where what it replaces has ended, mostly in its currency."""
    start = ended["valid_to"] if ended else draw(arrivals)
    starts = [start]
    for _ in range(draw(st.integers(0, 4))):
        start = start + draw(steps) * DAY
        if draw(rarely(3)):
            start = start.replace(day=1)
        if starts[-1] < start <= LAST_DAY:
            starts.append(start)
    price = draw(_price())
    if ended and not draw(rarely(4)):
        price["currency"] = ended["currency"]
    begins_with_trial = draw(rarely(6))
    rows: list[dict[str, Any]] = []
    for n, valid_from in enumerate(starts):
        following = starts[n + 1] if n + 1 < len(starts) else None
        if n:
            price = draw(_next_price(price))
        row = {
            "subscription_id": local_id,
            "account_id": "",
            "valid_from": valid_from,
            "valid_to": draw(_end(valid_from, following)),
            "is_trial": True if n == 0 and begins_with_trial else draw(st.sampled_from([None, False, False])),
            "is_paused": draw(rarely(6)) if n else draw(rarely(20)),
            "notice_given_on": valid_from + draw(st.one_of(st.just(0), steps)) * DAY if draw(rarely(6)) else None,
            "recorded_at": draw(_recorded(valid_from)) if draw(rarely(7)) else None,
            **price,
        }
        rows.append(row)
    return rows


@st.composite
def _recorded(draw: st.DrawFn, event: dt.date) -> dt.datetime:
    """When a row became known: some time around its event, or right at a D, where a second decides."""
    day = draw(
        st.one_of(
            st.builds(lambda n: event + n * DAY, st.sampled_from([-40, -5, -1, 0, 1, 3, 20, 45, 100])),
            st.sampled_from([as_of + n * DAY for as_of in AS_OFS for n in (-1, 0)]),
        )
    )
    return dt.datetime.fromisoformat(f"{day} {draw(moments)}")


@st.composite
def _corrections(draw: st.DrawFn, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Further rows with the key of one of these, recorded at a time of their own and saying something else."""
    found: list[dict[str, Any]] = []
    taken = {(row["subscription_id"], row["valid_from"], row["recorded_at"]) for row in rows}
    for _ in range(draw(st.integers(1, 3))):
        row = dict(draw(st.sampled_from(list(rows))))
        row["recorded_at"] = draw(_recorded(row["valid_from"]))
        changed = draw(st.sampled_from(["price", "valid_to", "is_paused", "is_trial", "amount"]))
        if changed == "price":
            row |= draw(_price())
        elif changed == "amount":
            row["amount"] = Decimal(draw(amounts))
        elif changed == "valid_to":
            row["valid_to"] = draw(_end(row["valid_from"], None))
        else:
            row[changed] = not row[changed]
        key = (row["subscription_id"], row["valid_from"], row["recorded_at"])
        if key not in taken:
            taken.add(key)
            found.append(row)
    return found


# --- the rest of a customer ------------------------------------------------------------------------------------------


@st.composite
def _order_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    moment = dt.datetime.combine(draw(arrivals), dt.time())
    found = []
    for n in range(draw(st.integers(1, 9))):
        moment += draw(st.sampled_from([0, 0, 1, 3, 9, 27, 30, 33, 61, 95, 200])) * DAY
        time = dt.time.fromisoformat(draw(moments))
        amount = Decimal(draw(amounts))
        returned = draw(st.sampled_from([None, None, None, "half", "all"]))
        row: dict[str, Any] = {
            "order_id": f":o{n}",
            "account_id": "",
            "ordered_at": dt.datetime.combine(moment, time),
            "amount": amount,
            "returned_amount": {None: None, "half": (amount / 2).quantize(Decimal("0.01")), "all": amount}[returned],
            "currency": draw(currencies),
            "recorded_at": None,
        }
        if row["ordered_at"].date() <= LAST_DAY:
            found.append(row)
            if draw(rarely(8)):
                later = row["ordered_at"] + draw(st.sampled_from([1, 30, 90])) * DAY
                found.append({**row, "amount": amount + 1, "recorded_at": later})
    return found


@st.composite
def _attribute_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    starts = draw(st.lists(days, min_size=1, max_size=3, unique=True))
    values = st.sampled_from(["", ".x", ".y", None])
    return [{"account_id": "", "valid_from": start, "industry": draw(values), "recorded_at": None} for start in starts]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """One customer."""
    kind = draw(st.sampled_from(["contract"] * 16 + ["shop", "shop", "both", "merged", "test"]))
    history = History()
    account: dict[str, Any] = {"account_id": "", "industry": "", "business_model": "b2b_contract"}
    subscriptions: list[dict[str, Any]] = []
    if kind != "shop":
        subscriptions += draw(_subscription(":1"))
        for n in range(draw(st.sampled_from([0, 0, 1, 1, 1, 2]))):
            # A further subscription anywhere, or one that begins on the very day a version ends (a switch).
            ended = [row for row in subscriptions if row["valid_to"] and row["valid_to"] <= LAST_DAY]
            is_switch = bool(ended) and not draw(rarely(4))
            subscriptions += draw(_subscription(f":{n + 2}", draw(st.sampled_from(ended)) if is_switch else None))
        if draw(rarely(3)):
            subscriptions += draw(_corrections(subscriptions))
    if kind in ("shop", "both"):
        history.rows["orders"] = draw(_order_rows())
    if draw(rarely(4)):
        history.rows["account_history"] = draw(_attribute_rows())
    if kind == "test":
        account["is_test"] = True
    if kind == "merged":
        history.rows["accounts"].append({**account, "account_id": ":merged", "merged_into": ""})
        for row in subscriptions:
            row["account_id"] = ":merged" if row["subscription_id"] == ":1" else ""
    first = min((row["valid_from"] for row in subscriptions), default=LAST_DAY)
    if first <= AS_OF_INSIDE and draw(rarely(4)):
        account["acquired_on"] = first
    history.rows["accounts"].insert(0, account)
    history.rows["subscriptions"] = subscriptions
    return history


def replaced_every_month(currency: str, amounts: Sequence[str]) -> History:
    """A customer whose one subscription is replaced by another every month, at these prices in turn: the rate of what
    replaced what is a quotient, which falls on ties that random prices seldom meet."""
    history = History()
    history.rows["accounts"] = [{"account_id": "", "industry": "", "business_model": "b2b_contract"}]
    start, n = FIRST_DAY.replace(day=2), 0
    while start < LAST_DAY.replace(day=1):
        following = (start + 31 * DAY).replace(day=2)
        history.rows["subscriptions"].append(
            {
                "subscription_id": f":{n:02d}",
                "account_id": "",
                "valid_from": start,
                "valid_to": following,
                "amount": Decimal(amounts[n % len(amounts)]),
                "currency": currency,
                "billing_interval_months": 1,
            }
        )
        start, n = following, n + 1
    return history


def met_before() -> list[History]:
    """Histories made by hand, of what other draws have met once and these may miss."""
    prices = [["100", "750"], ["10", "75", "125"], ["100", "350", "50", "250"], ["1000", "12.5"], ["40", "1", "7"]]
    return [replaced_every_month(currency, found) for currency in ("USD", "GBP") for found in prices]


class Enough(BaseException):
    """Ends the drawing. Not an `Exception`, which hypothesis would take for a failing example."""


def generate(count: int) -> list[History]:
    """So many histories that differ in their days, as hypothesis draws them in this process (it likes to vary one)."""
    found: dict[object, History] = {}

    @settings(
        max_examples=10 * count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(histories())
    def gather(history: History) -> None:
        found.setdefault(history.days(), history)
        if len(found) == count:
            raise Enough

    with suppress(Enough):
        gather()
    assert len(found) == count, f"only {len(found)} different histories"
    return list(found.values())


def collect(count: int) -> list[History]:
    """So many different histories, the same ones every time: drawn in a process of their own, because hypothesis also
    draws constants it finds in whatever test modules happen to be loaded."""
    command = [sys.executable, str(Path(__file__)), str(count)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return [History(rows) for rows in pickle.loads(output)]


# --- one build of many -----------------------------------------------------------------------------------------------


def name_of(number: int) -> str:
    return f"h{number:04d}"


def fx_rates() -> list[dict[str, Any]]:
    """Rates that move, at most seven days apart from any day on; some corrected later; some of other pairs."""
    found: list[dict[str, Any]] = []
    for currency, base, salt in [("USD", 92000000, 7), ("GBP", 116000000, 11)]:
        day, n = FIRST_DAY - 9 * DAY, 0
        while day <= LAST_DAY:
            swing = (n * n * salt * 1_234_567 + n * 7_654_321) % 9_000_001 - 4_500_000
            row: dict[str, Any] = {
                "currency": currency,
                "quote_currency": "EUR",
                "rate_on": day,
                # every third with two decimals, see the amounts
                "rate": round(Decimal(base + swing).scaleb(-8), 8 if n % 3 else 2),
                "recorded_at": None,
            }
            found.append(row)
            found.append({**row, "quote_currency": "CHF", "rate": Decimal("1.5")})
            if n % 9 == 0:
                known = dt.datetime.combine(day + 30 * DAY, dt.time())
                found.append({**row, "rate": row["rate"] + Decimal("0.01"), "recorded_at": known})
            day, n = day + (1, 8, 3, 7, 5)[n % 5] * DAY, n + 1
    return found


def pack(found: Iterable[History]) -> Rows:
    """The input rows of all the histories together."""
    packed: Rows = {entity: [] for entity in COLUMNS}
    packed["fx_rates"] = fx_rates()
    for number, history in enumerate(found):
        for entity, rows in history.named(name_of(number)).items():
            packed[entity] += rows
    return packed


def write(folder: Path, packed: Rows) -> Path:
    """Writes the packed input as files of the input contract."""
    from project import write_entity  # not above: see `collect`

    for entity, rows in packed.items():
        write_entity(folder, entity, rows, COLUMNS[entity])
    return folder


if __name__ == "__main__":
    sys.stdout.buffer.write(pickle.dumps([history.rows for history in generate(int(sys.argv[1]))]))
