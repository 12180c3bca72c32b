"""The demo CRM: a made-up software vendor, drawn at random from known parameters.

`write_demo(folder)` writes one CSV per entity of the input contract and `planted_truth.json`: the parameters, what
became of them in this draw, and every dirty row with the reason it must be quarantined for. The same seed gives the
same bytes everywhere: every draw comes from `random.Random.random()`, whose sequence Python guarantees, and every
account draws from streams of its own, so that a change to one subject leaves the others as they were.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")
Row = dict[str, str]

SEED = "bestand-demo-147"
START = date(2024, 1, 1)
AS_OF = date(2026, 7, 1)
EXTRACT = date(2026, 7, 5)  # the moment the CRM was exported: a few days of events after the as-of date
HORIZON = date(2026, 11, 1)  # fates are drawn this far, so that notices can be pending at the export
TRACKING_FROM = date(2025, 10, 1)  # the shop records product events from here on
# What the success team said of alerts: account, signal, day the alert was opened, day of the word. The days follow from
# the rows of the demo; a test says so when a change moves them.
FEEDBACK = [
    ("A264", "login_decline", "2026-01-20", "2026-01-23", "acted"),
    ("A034", "login_decline", "2026-02-14", "2026-02-17", "not_relevant"),
    ("A004", "ticket_spike", "2026-01-23", "2026-01-26", "acknowledged"),
    ("A161", "champion_left", "2026-03-16", "2026-03-19", "acted"),
    ("A185", "champion_left", "2026-04-18", "2026-04-21", "acknowledged"),
    ("A098", "nps_drop", "2026-04-20", "2026-06-10", "not_relevant"),
    ("A300", "champion_left", "2026-06-19", "2026-06-23", "acted"),
    ("A345", "core_unused", "2026-05-18", "2026-05-22", "acted"),
]
INVOICES_FROM = date(2025, 6, 1)  # finance migrated open items and everything issued since


def words(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


# --------------------------------------------------------------------------------------------------------------------
# The contract's columns, in its order (a test compares them with the contract). `recorded_at` and `is_deleted` follow
# where the demo uses them.
# --------------------------------------------------------------------------------------------------------------------
COLUMNS: dict[str, list[str]] = {
    "accounts": words(
        "account_id account_name parent_account_id merged_into is_test business_model industry company_size "
        "employee_count country_code region acquisition_channel acquired_on currency gross_margin closed_on "
        "recorded_at"
    ),
    "account_history": words("account_id valid_from industry company_size region account_manager_id plan_tier"),
    "contacts": words("contact_id account_id full_name email language created_at left_at"),
    "contact_roles": words("contact_id role valid_from valid_to"),
    "consents": words("contact_id purpose channel granted_at withdrawn_at"),
    "subscriptions": words(
        "subscription_id valid_from account_id product plan quantity amount list_amount currency "
        "billing_interval_months valid_to contract_term_months contract_end_on auto_renews is_trial is_paused "
        "notice_given_on recorded_at"
    ),
    "plans": words("plan valid_from list_amount billing_interval_months currency seats tier_rank"),
    "cancellations": words("cancellation_id account_id subscription_id requested_on effective_on reason_code comment"),
    "invoices": words(
        "invoice_id account_id subscription_id issued_on due_on paid_on amount currency status "
        "refunded_amount recorded_at"
    ),
    "orders": words(
        "order_id account_id ordered_at amount discount_amount cost_amount returned_amount currency category "
        "promotion_code recorded_at is_deleted"
    ),
    "usage_events": words("event_id account_id contact_id event_name feature quantity occurred_at recorded_at"),
    "usage_daily": words("account_id contact_id used_on feature event_name quantity"),
    "features": words("feature is_core is_integration"),
    "support_tickets": words(
        "ticket_id account_id contact_id opened_at first_response_at resolved_at priority is_complaint "
        "reopened_count recorded_at"
    ),
    "survey_responses": words("response_id account_id contact_id survey sent_at responded_at score topic"),
    "messages": words(
        "message_id account_id contact_id channel purpose is_personalised trigger_event_id sent_at opened_at "
        "clicked_at converted_at unsubscribed_at discount_percent"
    ),
    "milestones": words("milestone_id account_id milestone occurred_at"),
    "offers": words("offer_id account_id kind occasion offered_at decided_at is_accepted amount"),
    "loyalty_memberships": words("account_id programme valid_from valid_to programme_kind tier"),
    "loyalty_points": words("entry_id account_id programme points occurred_at"),
    "costs": words("cost_id period_start period_end kind category channel account_id amount currency"),
    "account_managers": words("account_id valid_from valid_to account_manager_id"),
    "alert_feedback": words("alert_id given_at verdict given_by"),
    "fx_rates": words("currency quote_currency rate_on rate"),
    "erasure_requests": words("subject_kind subject_id requested_on"),
}

# --------------------------------------------------------------------------------------------------------------------
# What is planted. Everything below is written to planted_truth.json.
# --------------------------------------------------------------------------------------------------------------------
B2B_ACCOUNTS, B2B_LAUNCH, B2C_ACCOUNTS, SHOP_ACCOUNTS = 216, 80, 120, 62
TRIAL_ONLY = {"b2b_contract": 3, "b2c_subscription": 6}

SIZE_SHARE = {"small": 0.40, "mid": 0.35, "large": 0.25}
TERM_SHARE = {1: 0.30, 12: 0.45, 24: 0.25}
# Monthly risk of leaving by size on a 12-month term, and the factor for the term. Yearly and two-year contracts take
# the risk of their whole term at its end. Times the shares above it comes to 8 % in six months.
SIZE_RISK = {"small": 0.0340, "mid": 0.0135, "large": 0.0025}
TERM_FACTOR = {1: 1.6, 12: 1.0, 24: 0.2}
CHAMPION_LEAVES_MONTHLY = 0.022
CHAMPION_WINDOW_MONTHS = 6
CHAMPION_LEFT_CHURN = 0.25
CHAMPION_STAYED_CHURN = 0.08
# Consumer subscriptions: probability to leave at the end of tenure month n (the last value holds from there on).
B2C_HAZARD = [0.100, 0.065, 0.040, 0.030, 0.030, 0.030, 0.020]

# Signals: probability before a voluntary churn, and per quarter of a year of a customer who stays.
SIGNALS: dict[str, tuple[float, float]] = {
    "login_decline": (0.60, 0.07),
    "ticket_spike": (0.40, 0.05),
    "nps_drop": (0.45, 0.06),
    "core_unused": (0.35, 0.04),
    "breadth_shrinks": (0.35, 0.05),
    "power_user_silent": (0.40, 0.05),
}
SIGNAL_MIN_TENURE_DAYS = 150
NEWSLETTER_UNSUBSCRIBE = 0.03  # the noise signal: drawn without regard to churn
SURVEY_RESPONSE = 0.25
REASONS = {
    "poor_service": 0.14,
    "slow_response": 0.12,
    "insufficient_training": 0.12,
    "unclear_pricing": 0.10,
    "no_personal_contact": 0.10,
    "over_promising": 0.08,
    "product_without_partnership": 0.06,
    "price": 0.11,
    "competitor": 0.09,
    "missing_feature": 0.05,
    "other": 0.03,
}
NO_CANCELLATION_ROW = 0.15
INVOLUNTARY = {"b2b_contract": 0.05, "b2c_subscription": 0.15}
BANKRUPT = {"b2b_contract": 0.08, "b2c_subscription": 0.0}
WIN_BACK_CONTACTED = 0.6
WIN_BACK_RETURN = {"value": 0.26, "discount": 0.20, "none": 0.08}
QUICK_RETURN = 0.15  # of consumers whose service ends early in a month: back before the month is over
OFFER_ACCEPTED = {
    "success_event": 0.85,
    "nps_promoter": 0.75,
    "external_expansion": 0.70,
    "business_review": 0.65,
    "none": 0.25,
}
OFFER_MONTHLY = 0.045
ONBOARDED = {"stays": 0.85, "leaves_within_3_months": 0.35}
WEEKEND_CLICK, WEEKDAY_CLICK = 0.25, 0.07

B2B_PLANS = {"starter": (49, 5, 1), "team": (149, 15, 2), "business": (490, 50, 3), "enterprise": (1690, 200, 4)}
B2C_PLANS = {"basic": ("5.99", 1, 1), "plus": ("9.99", 2, 2), "family": ("14.99", 5, 3)}
ADD_ON = ("insights", 99)
PRICE_RISE_ON, PRICE_RISE = date(2025, 7, 1), Decimal("1.06")
LIST_FACTOR = {"EUR": Decimal("1"), "USD": Decimal("1.10"), "GBP": Decimal("0.86")}
COUNTRIES = {
    "DACH": {"DE": 0.78, "AT": 0.14, "CH": 0.08},
    "Nordics": {"SE": 0.4, "DK": 0.3, "NO": 0.15, "FI": 0.15},
    "UK": {"GB": 1.0},
    "US": {"US": 1.0},
}
REGION_CURRENCY = {"DACH": "EUR", "Nordics": "EUR", "UK": "GBP", "US": "USD"}
INDUSTRIES = {
    "wholesale": ("Trading", 0.11),
    "consumer and retail": ("Retail", 0.09),
    "logistics": ("Logistics", 0.11),
    "manufacturing": ("Works", 0.17),
    "telecoms": ("Telecom", 0.05),
    "professional services": ("Partners", 0.11),
    "financial services": ("Finance", 0.08),
    "industrial services": ("Service", 0.08),
    "software": ("Software", 0.09),
    "it services": ("Systems", 0.08),
    "energy": ("Energy", 0.03),
}
CHANNELS = {
    "b2b_contract": {"inbound": 0.3, "outbound": 0.22, "partner": 0.2, "event": 0.13, "referral": 0.15},
    "b2c_subscription": {"organic": 0.35, "paid_search": 0.3, "social": 0.2, "referral": 0.15},
    "b2c_shop": {"organic": 0.3, "paid_search": 0.25, "social": 0.15, "marketplace": 0.3},
}
LEGAL_FORM = {
    "DE": "GmbH",
    "AT": "GmbH",
    "CH": "AG",
    "SE": "AB",
    "DK": "ApS",
    "NO": "AS",
    "FI": "Oy",
    "GB": "Ltd",
    "US": "Inc",
}
LANGUAGE = {"SE": "sv", "DK": "da", "NO": "no", "FI": "fi", "GB": "en", "US": "en"}
MANAGERS = ["AM01", "AM02", "AM03", "AM04", "AM05"]
MANAGER_LEAVES, MANAGER_LEAVES_ON, MANAGER_SUCCESSOR = "AM03", date(2025, 4, 1), "AM06"
FIRST_NAMES = words(
    "Anna Ben Clara David Elif Finn Greta Hannes Ida Jonas Karla Lars Mia Nils Olga Paul Ronja Sven Tilda "
    "Uwe Vera Willem Yara Zoe Björn Søren Åsa Jörg"
)
LAST_NAMES = words(
    "Ahlers Brandt Carstens Dietz Ehlers Fuchs Gruber Hansen Ivers Janssen Krüger Lindqvist Möller "
    "Nygaard Oehme Petersen Quast Reuter Sørensen Thomsen Ulrich Vogel Wagner Ziegler Marlow Bexley "
    "Harlan Whitby"
)
COMPANY_NAMES = words(
    "Alster Birken Cirrus Deich Elm Förde Granit Hafen Isar Jade Kiesel Linden Moor Nordlicht Oder Pappel "
    "Quarz Rhein Saale Tanne Ufer Veilchen Weser Xanten Ypern Zeder Fjord Skog Thames Harbor"
)
SECONDARY_FEATURES = ["report", "auto", "mobile", "export", "api", "sso"]
SHOP_CATEGORIES = {"cables": 18, "cases": 32, "stands": 55, "headsets": 95, "docks": 140}


class Dice:
    """A stream of draws for one subject, from nothing but `Random.random()`."""

    def __init__(self, *subject: object) -> None:
        self._next = Random("/".join(str(part) for part in (SEED, *subject))).random

    def chance(self, probability: float) -> bool:
        return self._next() < probability

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self._next()

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self._next() * (high - low + 1))

    def pick(self, values: Sequence[T]) -> T:
        return values[int(self._next() * len(values))]

    def sample(self, values: Sequence[T], count: int) -> list[T]:
        left = list(values)
        return [left.pop(int(self._next() * len(left))) for _ in range(min(count, len(left)))]

    def weighted(self, weights: Mapping[T, float]) -> T:
        position = self._next() * sum(weights.values())
        for value, weight in weights.items():
            position -= weight
            if position < 0:
                return value
        return list(weights)[-1]

    def normal(self, mean: float, deviation: float) -> float:
        angle, radius = math.tau * self._next(), math.sqrt(-2 * math.log(1 - self._next()))
        return mean + deviation * radius * math.cos(angle)

    def poisson(self, mean: float) -> int:
        limit, product, count = math.exp(-mean), self._next(), 0
        while product > limit:
            product *= self._next()
            count += 1
        return count

    def day(self, first: date, last: date) -> date:
        """A day from first to last, both included."""
        return first + timedelta(days=self.whole(0, (last - first).days))

    def at(self, day: date, first_hour: int = 7, last_hour: int = 16) -> datetime:
        """A moment on that day, UTC."""
        return datetime.combine(day, time(self.whole(first_hour, last_hour), self.whole(0, 59)))


def add_months(day: date, months: int) -> date:
    """The same day of the month, `months` later; the month's last day where it is shorter."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day.day, last))
        except ValueError:
            continue
    raise AssertionError("no such month")


def first_of_month(day: date) -> date:
    """The first day of a month on or after the day."""
    return day if day.day == 1 else add_months(day.replace(day=1), 1)


def firsts(start: date, stop: date) -> Iterator[date]:
    """The first days of months in [start, stop)."""
    day = first_of_month(start)
    while day < stop:
        yield day
        day = add_months(day, 1)


def money(value: Decimal | float | int | str) -> Decimal:
    """Two decimals, half up."""
    return Decimal(str(value)).quantize(Decimal("0.01"), ROUND_HALF_UP)


def text(value: Any) -> str:
    """A value as the CSV writes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return str(value)


@dataclass
class Contact:
    contact_id: str
    account_id: str
    name: str
    email: str
    language: str
    created: datetime
    left: datetime | None = None
    roles: list[tuple[str, date, date | None]] = field(default_factory=list)


@dataclass
class Version:
    subscription_id: str
    account_id: str
    valid_from: date
    valid_to: date | None
    product: str
    plan: str
    quantity: int
    amount: Decimal
    list_amount: Decimal
    interval: int
    term: int | None = None
    contract_end: date | None = None
    auto_renews: bool | None = None
    is_trial: bool = False
    is_paused: bool = False
    notice: date | None = None
    recorded: datetime | None = None

    @property
    def mrr(self) -> Decimal:
        return Decimal(0) if self.is_paused else self.amount * self.quantity / self.interval


@dataclass
class Spell:
    """One stretch of paid service. `end` is drawn to the horizon; what the export shows of it is `known_end`."""

    start: date
    end: date | None = None
    cause: str = "voluntary"  # voluntary | champion | bankrupt | payment
    notice: date | None = None
    contract_ends: list[date] = field(default_factory=list)
    has_cancellation: bool = False
    reason: str | None = None

    @property
    def known_end(self) -> date | None:
        known_on = self.notice or self.end
        return self.end if known_on is not None and known_on < EXTRACT else None

    @property
    def stop(self) -> date:
        """The first day without service, as far as the export goes."""
        return min(self.end or EXTRACT, EXTRACT)


@dataclass
class Departure:
    on: date
    role: str
    exits: bool
    candidates: list[date]


@dataclass
class Decision:
    """A moment a customer could leave, outside the window after a departure, and its planted probability."""

    on: date
    probability: float
    size: str
    term: int


@dataclass
class Episode:
    start: date
    stop: date


@dataclass
class Account:
    account_id: str
    model: str
    start: date
    region: str = "DACH"
    country: str = "DE"
    currency: str = "EUR"
    name: str = ""
    industry: str | None = None
    sizes: list[tuple[date, str]] = field(default_factory=list)
    employees: int | None = None
    channel: str = ""
    margin: str | None = None
    term: int = 1
    interval: int = 1
    discount: Decimal = Decimal(0)
    discount_dependent: bool = False
    complains: bool = False
    pays_without_use_from: date | None = None
    is_test: bool = False
    trial_days: int = 0
    acquired: date | None = None
    closed: date | None = None
    spells: list[Spell] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    departures: list[Departure] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    episodes: dict[str, list[Episode]] = field(default_factory=lambda: defaultdict(list))
    switches: list[date] = field(default_factory=list)
    managers: list[tuple[date, date | None, str]] = field(default_factory=list)
    subscriptions: int = 0

    def dice(self, subject: str) -> Dice:
        return Dice(self.account_id, subject)

    def size_at(self, day: date) -> str:
        return [size for since, size in self.sizes if since <= max(day, self.sizes[0][0])][-1]

    def new_subscription(self) -> str:
        self.subscriptions += 1
        return f"S{self.account_id[1:]}-{self.subscriptions}"

    def in_episode(self, signal: str, day: date) -> Episode | None:
        return next((e for e in self.episodes[signal] if e.start <= day < e.stop), None)

    def contact_with(self, role: str, day: date) -> Contact:
        """Who holds the role on that day; else whoever is there."""
        here = [c for c in self.contacts if c.created.date() <= day and (c.left is None or c.left.date() > day)]
        for contact in here:
            if any(r == role and since <= day and (to is None or day < to) for r, since, to in contact.roles):
                return contact
        return (here or self.contacts)[0]


class Book:
    """The tables being written, and the truth about them."""

    def __init__(self) -> None:
        self.tables: dict[str, list[Row]] = {entity: [] for entity in COLUMNS}
        self.dirty: list[dict[str, Any]] = []
        self.truth: dict[str, Any] = {}
        self.superseded: Counter[str] = Counter()
        self.back_after_a_year: list[str] = []
        self._ids: Counter[str] = Counter()

    def next_id(self, prefix: str, digits: int = 4) -> str:
        self._ids[prefix] += 1
        return f"{prefix}{self._ids[prefix]:0{digits}d}"

    def add(self, entity: str, **values: Any) -> Row:
        columns = COLUMNS[entity]
        unknown = set(values) - set(columns)
        if unknown:
            raise KeyError(f"{entity} has no {sorted(unknown)}")
        row = {column: text(values.get(column)) for column in columns}
        self.tables[entity].append(row)
        return row

    def add_dirty(self, entity: str, reason: str, **values: Any) -> None:
        """A row that must be quarantined, with the reason why."""
        self.dirty.append({"entity": entity, "reason": reason, "row": self.add(entity, **values)})

    def correct(self, entity: str, row: Row, recorded: datetime, superseded: int = 1, **changes: Any) -> Row:
        """The same key again, recorded later: from then on the earlier row is superseded."""
        corrected = row | {name: text(value) for name, value in changes.items()} | {"recorded_at": text(recorded)}
        self.tables[entity].append(corrected)
        if recorded < datetime.combine(AS_OF, time()):
            self.superseded[entity] += superseded
        return corrected


# --------------------------------------------------------------------------------------------------------------------
# Accounts and their fates
# --------------------------------------------------------------------------------------------------------------------
def make_accounts() -> list[Account]:
    """Every customer, numbered in the order in which they came."""
    dice = Dice("starts")
    starts: list[tuple[date, str, bool]] = []
    last = EXTRACT - timedelta(days=2)
    for index in range(B2B_ACCOUNTS):
        span = (START, date(2024, 3, 31)) if index < B2B_LAUNCH else (date(2024, 4, 1), last)
        starts.append((dice.day(*span), "b2b_contract", False))
    starts += [(dice.day(START, last), "b2c_subscription", False) for _ in range(B2C_ACCOUNTS)]
    starts += [(dice.day(START, date(2026, 5, 20)), "b2c_shop", False) for _ in range(SHOP_ACCOUNTS)]
    for model, count in TRIAL_ONLY.items():
        starts += [(dice.day(START, date(2026, 5, 20)), model, True) for _ in range(count)]
    starts.sort()
    accounts = []
    for number, (start, model, trial_only) in enumerate(starts, 1):
        account = Account(f"A{number:03d}", model, start)
        _describe(account)
        if model != "b2c_shop":
            _live(account, trial_only)
        accounts.append(account)
    return accounts


def _describe(account: Account) -> None:
    dice = account.dice("describe")
    business = account.model == "b2b_contract"
    shares = {"DACH": 0.6, "Nordics": 0.14, "UK": 0.13, "US": 0.13} if business else {"DACH": 0.8, "UK": 0.2}
    account.region = dice.weighted(shares)
    account.country = dice.weighted(COUNTRIES[account.region])
    account.currency = REGION_CURRENCY[account.region]
    account.channel = dice.weighted(CHANNELS[account.model])
    account.complains = dice.chance(0.08)
    account.discount_dependent = dice.chance(0.12 if business else 0.2)
    if not business:
        account.name = f"{dice.pick(FIRST_NAMES)} {dice.pick(LAST_NAMES)}"
        account.margin = None if account.model == "b2c_shop" else "0.7"
        account.interval, account.term = 1, 1
        account.trial_days = 14 if account.model == "b2c_subscription" and dice.chance(0.35) else 0
        if account.model == "b2c_subscription" and account.discount_dependent:
            account.discount = Decimal("0.3")
        return
    account.industry = dice.weighted({name: weight for name, (_, weight) in INDUSTRIES.items()})
    number = int(account.account_id[1:])
    account.name = (
        f"{COMPANY_NAMES[number % len(COMPANY_NAMES)]}{dice.pick(['', '-' + dice.pick(LAST_NAMES)])} "
        f"{INDUSTRIES[account.industry][0]} {LEGAL_FORM[account.country]}"
    )
    size = dice.weighted(SIZE_SHARE)
    account.sizes = [(account.start, size)]
    account.term = dice.weighted(TERM_SHARE)
    billing = {1: {1: 1.0}, 12: {12: 0.6, 3: 0.15, 1: 0.25}, 24: {12: 0.7, 1: 0.3}}
    account.interval = dice.weighted(billing[account.term])
    account.margin = text(dice.pick([0.76, 0.78, 0.8, 0.82, 0.84]))
    account.trial_days = 30 if dice.chance(0.12) else 0
    if account.discount_dependent:
        account.discount = Decimal(dice.whole(5, 8)) * Decimal("0.05")
    elif dice.chance(0.2):
        account.discount = dice.pick([Decimal("0.05"), Decimal("0.1")])
    if size != "large" and account.start < date(2025, 6, 1) and dice.chance(0.12):  # the company grows a size
        grown = {"small": "mid", "mid": "large"}[size]
        account.sizes.append((dice.day(account.start + timedelta(200), date(2026, 5, 1)).replace(day=1), grown))
    low, high = {"small": (6, 49), "mid": (50, 249), "large": (250, 2400)}[account.sizes[-1][1]]
    account.employees = dice.whole(low, high)


def _live(account: Account, trial_only: bool) -> None:
    """Draws when the customer pays, leaves and comes back."""
    dice = account.dice("life")
    account.acquired = account.start
    if trial_only:
        account.trial_days = account.trial_days or (30 if account.model == "b2b_contract" else 14)
        return
    start = account.start + timedelta(account.trial_days)
    spell_of = _b2b_spell if account.model == "b2b_contract" else _b2c_spell
    while start < EXTRACT:
        spell = spell_of(account, dice, start)
        account.spells.append(spell)
        if spell.known_end is None or spell.cause in ("bankrupt", "payment"):
            return
        returns = _return_date(account, dice, spell)
        if returns is None:
            return
        start = returns


def _b2b_spell(account: Account, dice: Dice, start: date) -> Spell:
    spell = Spell(start)
    term = account.term
    contract_end: date | None = None
    if term > 1:  # the first term runs to the end of the customer's fiscal year, so that renewals spread over the year
        contract_end = first_of_month(add_months(start, 3 + dice.whole(0, 11) + term - 12))
        spell.contract_ends.append(contract_end)
    window_end: date | None = None
    exit_on: date | None = None
    for on in firsts(add_months(start, 1), HORIZON):
        since = add_months(on, -1)
        if window_end is not None and since >= window_end:
            window_end = exit_on = None
        if window_end is None and dice.chance(CHAMPION_LEAVES_MONTHLY):
            left = dice.day(since, on - timedelta(1))
            if left >= start + timedelta(20):
                window_end = add_months(left, CHAMPION_WINDOW_MONTHS)
                candidates = list(firsts(left + timedelta(30), window_end + timedelta(1)))
                exits = dice.chance(CHAMPION_LEFT_CHURN)
                if exits:
                    at_term_end = contract_end in candidates and dice.chance(0.7)
                    exit_on = contract_end if at_term_end else dice.pick(candidates)
                role = dice.pick(["champion", "decision_maker"])
                account.departures.append(Departure(left, role, exits, candidates))
        if window_end is not None and on <= window_end:
            if on == exit_on:
                departure = account.departures[-1]
                return _end(account, dice, spell, on, "champion", departure.on)
        elif term == 1 or on == contract_end:
            size = account.size_at(on)
            probability = 1 - (1 - SIZE_RISK[size] * TERM_FACTOR[term]) ** term
            account.decisions.append(Decision(on, probability, size, term))
            if dice.chance(probability):
                return _end(account, dice, spell, on, None, start)
        if on == contract_end:
            contract_end = add_months(contract_end, term)
            spell.contract_ends.append(contract_end)
    return spell


def _b2c_spell(account: Account, dice: Dice, start: date) -> Spell:
    spell = Spell(start)
    returning = bool(account.spells)
    for month in range(1, 60):
        on = add_months(start, month)
        if on >= HORIZON:
            break
        hazard = B2C_HAZARD[-1] if returning else B2C_HAZARD[min(month, len(B2C_HAZARD)) - 1]
        account.decisions.append(Decision(on, hazard, "", 1))
        if dice.chance(hazard):
            if month == 1 and dice.chance(0.3):  # withdrawn within the two weeks the law gives consumers
                on = start + timedelta(dice.whole(5, 13))
            return _end(account, dice, spell, on, None, start)
    return spell


def _end(account: Account, dice: Dice, spell: Spell, on: date, cause: str | None, not_before: date) -> Spell:
    """Ends a spell: why, with how much notice, and whether a cancellation was written down."""
    spell.end = on
    draw = dice.uniform(0, 1)
    if cause is None:
        cause = "voluntary"
        if draw < INVOLUNTARY[account.model] and account.interval == 1:  # who pays by the year has paid
            cause = "payment"
        elif draw < INVOLUNTARY[account.model] + BANKRUPT[account.model]:
            cause = "bankrupt"
    spell.cause = cause
    if cause == "payment":
        spell.has_cancellation = dice.chance(0.5)
        spell.reason = "payment_failure"
        return spell
    if account.model == "b2b_contract":
        ahead = dice.whole(25, 45) if account.term == 1 else dice.whole(30, 60)
    else:
        ahead = dice.whole(1, 20)
    notice = max(on - timedelta(ahead), not_before + timedelta(2))
    if cause == "bankrupt":
        spell.has_cancellation, spell.notice = True, notice
        spell.reason = dice.pick(["insolvency", "business_closed"])
        account.closed = on
        return spell
    spell.has_cancellation = not dice.chance(NO_CANCELLATION_ROW)
    if spell.has_cancellation:
        spell.notice = notice
        spell.reason = dice.weighted(REASONS)
        if account.complains and dice.chance(0.6):
            spell.reason = dice.pick(["poor_service", "slow_response"])
    return spell


def _return_date(account: Account, dice: Dice, spell: Spell) -> date | None:
    assert spell.end is not None
    if account.model == "b2c_subscription" and 2 <= spell.end.day <= 13 and dice.chance(QUICK_RETURN):
        back = spell.end + timedelta(dice.whole(6, 14))
        return back if back < EXTRACT else None
    contacted = dice.chance(WIN_BACK_CONTACTED)
    with_discount = dice.chance(0.5)
    how = ("discount" if with_discount else "value") if contacted else "none"
    asked = spell.end + timedelta(dice.whole(10, 35))
    returns = dice.chance(WIN_BACK_RETURN[how])
    back = asked + timedelta(dice.whole(25, 140))
    if back >= EXTRACT - timedelta(20):
        returns = False
    if contacted and asked < EXTRACT:
        account.episodes[f"win_back:{how}"].append(Episode(asked, back if returns else asked))
    return back if returns else None


# --------------------------------------------------------------------------------------------------------------------
# Subscriptions
# --------------------------------------------------------------------------------------------------------------------
def list_price(plan: str, currency: str, day: date) -> Decimal:
    """Monthly list price of a plan in force on a day."""
    base: int | str
    if plan in B2C_PLANS:
        base = B2C_PLANS[plan][0]
    else:
        base = ADD_ON[1] if plan == ADD_ON[0] else B2B_PLANS[plan][0]
        if day >= PRICE_RISE_ON:
            return money(Decimal(base) * PRICE_RISE * LIST_FACTOR[currency])
    return money(Decimal(base) * LIST_FACTOR[currency])


def _version(account: Account, subscription_id: str, day: date, plan: str, quantity: int, **more: Any) -> Version:
    price_day = more.pop("price_day", day)
    listed = money(list_price(plan, account.currency, price_day) * account.interval)
    product = "add-on" if plan == ADD_ON[0] else ("home" if plan in B2C_PLANS else "flow")
    return Version(
        subscription_id,
        account.account_id,
        day,
        None,
        product,
        plan,
        quantity,
        money(listed * (1 - account.discount)),
        listed,
        account.interval,
        **more,
    )


def make_versions(book: Book, account: Account) -> None:
    """The subscription versions of an account, and the offers and add-ons that change them."""
    dice = account.dice("versions")
    business = account.model == "b2b_contract"
    if business:
        shares = {
            "small": {"starter": 0.55, "team": 0.45},
            "mid": {"team": 0.5, "business": 0.5},
            "large": {"business": 0.45, "enterprise": 0.55},
        }[account.sizes[0][1]]
        plan = dice.weighted(shares)
        quantity = {"small": 1, "mid": dice.whole(1, 2), "large": dice.whole(1, 4)}[account.sizes[0][1]]
    else:
        plan, quantity = dice.weighted({"basic": 0.5, "plus": 0.35, "family": 0.15}), 1
    subscription_id = account.new_subscription()
    if account.trial_days:
        trial = _version(account, subscription_id, account.start, plan, quantity, is_trial=True)
        trial.valid_to = account.start + timedelta(account.trial_days)
        trial.interval, trial.amount, trial.list_amount = 1, Decimal("0.00"), Decimal("0.00")
        if not account.spells and trial.valid_to >= EXTRACT:
            trial.valid_to = None
        account.versions.append(trial)
    for index, spell in enumerate(account.spells):
        if index and dice.chance(0.5):
            subscription_id = account.new_subscription()
        if business:
            plan, quantity, subscription_id = _b2b_versions(book, account, dice, spell, plan, quantity, subscription_id)
        else:
            plan, subscription_id = _b2c_versions(book, account, dice, spell, plan, subscription_id)


def _close(version: Version, day: date, dice: Dice, same_id: bool) -> None:
    # now and then the CRM leaves the end open: the next version of the same subscription ends it all the same
    version.valid_to = None if same_id and dice.chance(0.06) else day


def _b2b_versions(
    book: Book, account: Account, dice: Dice, spell: Spell, plan: str, quantity: int, subscription_id: str
) -> tuple[str, int, str]:
    terms = list(spell.contract_ends)
    auto_renews = True if account.term == 1 else not dice.chance(0.12)
    price_day = spell.start

    def make(day: date, is_paused: bool = False) -> Version:
        return _version(
            account,
            subscription_id,
            day,
            plan,
            quantity,
            price_day=price_day,
            term=account.term,
            contract_end=terms[0] if terms else None,
            auto_renews=auto_renews,
            is_paused=is_paused,
        )

    current = make(spell.start)
    account.versions.append(current)
    add_on: Version | None = None
    calm_until = (spell.end or HORIZON) - timedelta(100)  # no growth in the last months before a churn
    pause_on = pause_until = None
    if account.term == 1 and dice.chance(0.16):
        months = list(firsts(spell.start + timedelta(120), min(calm_until, date(2026, 6, 2))))
        if months:
            pause_on = dice.pick(months)
            pause_until = add_months(pause_on, dice.whole(1, 3))
            if pause_until >= calm_until:
                pause_on = pause_until = None
    paused = False
    ranks = list(B2B_PLANS)
    for day in firsts(spell.start + timedelta(1), spell.stop):
        change = switch = False
        if terms and day == terms[0]:
            terms.pop(0)
            price_day, change = day, True
        if account.term == 1 and day == date(2025, 10, 1) and price_day < PRICE_RISE_ON:
            price_day, change = day, True
        if pause_on and day == pause_on:
            paused = change = True
        if paused and day == pause_until:
            paused, change = False, True
        if day < calm_until and not paused:
            if dice.chance(0.006) and (quantity > 1 or plan != "starter"):  # right-sized
                if quantity > 1:
                    quantity -= 1
                else:
                    plan = ranks[ranks.index(plan) - 1]
                change = True
            elif dice.chance(OFFER_MONTHLY) and day >= spell.start + timedelta(45):
                kind = "cross_sell" if add_on is None and dice.chance(0.35) else "upsell"
                grows_plan = plan != "enterprise" and dice.chance(0.5)
                value = list_price(ADD_ON[0] if kind == "cross_sell" else plan, account.currency, day)
                if _offer(book, account, dice, kind, day, value):
                    if kind == "cross_sell":
                        add_on = _version(account, account.new_subscription(), day, ADD_ON[0], 1)
                        add_on.term, add_on.auto_renews = account.term, True
                        account.versions.append(add_on)
                    elif grows_plan:
                        plan = ranks[ranks.index(plan) + 1]
                        change, switch = True, dice.chance(0.3)
                    else:
                        quantity += 1
                        change = True
        if change:
            _close(current, day, dice, same_id=not switch)
            if switch:
                subscription_id = account.new_subscription()
                account.switches.append(day)
            current = make(day, paused)
            account.versions.append(current)
    _finish(account, spell, current)
    if add_on is not None:
        leaves_early = spell.end is None and add_on.valid_from < date(2025, 12, 1) and dice.chance(0.25)
        if leaves_early:
            ends = dice.pick(list(firsts(add_on.valid_from + timedelta(120), AS_OF)))
            add_on.valid_to, add_on.notice = ends, ends - timedelta(dice.whole(15, 40))
            book.add(
                "cancellations",
                cancellation_id=book.next_id("X"),
                account_id=account.account_id,
                subscription_id=add_on.subscription_id,
                requested_on=add_on.notice,
                effective_on=ends,
                reason_code="price",
            )
        else:
            _finish(account, spell, add_on)
    return plan, quantity, subscription_id


def _b2c_versions(
    book: Book, account: Account, dice: Dice, spell: Spell, plan: str, subscription_id: str
) -> tuple[str, str]:
    def make(day: date, is_paused: bool = False) -> Version:
        more = {"price_day": spell.start, "term": 1, "auto_renews": True, "is_paused": is_paused}
        return _version(account, subscription_id, day, plan, 1, **more)

    current = make(spell.start)
    account.versions.append(current)
    ranks = list(B2C_PLANS)
    pause_at = dice.whole(4, 12) if dice.chance(0.12) else 0
    end = spell.end or HORIZON
    for month in range(1, 60):
        day = add_months(spell.start, month)
        if day >= spell.stop:
            break
        change = switch = False
        if month == pause_at and add_months(day, 2) < end:
            change = True
        if pause_at and month == pause_at + 1 and current.is_paused:
            change = True
        elif (
            day < end - timedelta(60)
            and plan != "family"
            and dice.chance(0.02)
            and _offer(
                book,
                account,
                dice,
                dice.pick(["upsell", "trial_upgrade"]),
                day,
                list_price(plan, account.currency, day),
            )
        ):
            plan = ranks[ranks.index(plan) + 1]
            change, switch = True, dice.chance(0.4)
        if change:
            paused = month == pause_at and add_months(day, 2) < end
            _close(current, day, dice, same_id=not switch)
            if switch:
                subscription_id = account.new_subscription()
                account.switches.append(day)
            current = make(day, paused)
            account.versions.append(current)
    _finish(account, spell, current)
    return plan, subscription_id


def _finish(account: Account, spell: Spell, version: Version) -> None:
    """The end of the last version, as far as the export knows it."""
    if spell.known_end is None:
        return
    version.valid_to = spell.known_end
    version.notice = spell.notice


def _offer(book: Book, account: Account, dice: Dice, kind: str, day: date, value: Decimal) -> bool:
    """An offer that takes effect on `day` if accepted, with the occasion it was made on."""
    weights = {"success_event": 0.26, "nps_promoter": 0.2, "external_expansion": 0.16, "business_review": 0.2}
    occasion = dice.weighted({**weights, "none": 0.18})
    offered = dice.at(day - timedelta(dice.whole(8, 20)))
    decided = offered + timedelta(days=dice.whole(1, 6), hours=dice.whole(0, 3))
    accepted = dice.chance(OFFER_ACCEPTED[occasion])
    if occasion == "nps_promoter":
        answered = offered - timedelta(hours=dice.whole(2, 20), minutes=dice.whole(0, 50))
        book.add(
            "survey_responses",
            response_id=book.next_id("R"),
            account_id=account.account_id,
            contact_id=account.contact_with("champion", answered.date()).contact_id,
            survey="nps",
            sent_at=answered - timedelta(days=dice.whole(1, 4)),
            responded_at=answered,
            score=dice.whole(9, 10),
        )
    elif occasion != "none":
        add_milestone(book, account, occasion, offered - timedelta(days=dice.whole(2, 9)))
    book.add(
        "offers",
        offer_id=book.next_id("F"),
        account_id=account.account_id,
        kind=kind,
        occasion=occasion,
        offered_at=offered,
        decided_at=decided,
        is_accepted=accepted,
        amount=value,
    )
    return accepted


def add_milestone(book: Book, account: Account, milestone: str, moment: datetime) -> None:
    """A milestone, unless the export comes before it."""
    if moment.date() < EXTRACT:
        book.add(
            "milestones",
            milestone_id=book.next_id("L"),
            account_id=account.account_id,
            milestone=milestone,
            occurred_at=moment,
        )


# --------------------------------------------------------------------------------------------------------------------
# Signals before a churn, and the same without one
# --------------------------------------------------------------------------------------------------------------------
def make_episodes(account: Account, tally: dict[str, dict[str, int]]) -> None:
    """Draws, per signal, whether it shows before a churn, and how often it shows without one."""
    dice = account.dice("signals")
    has_power_user = any(role == "power_user" for c in account.contacts for role, _, _ in c.roles)
    for spell in account.spells:
        end = spell.end if spell.cause in ("voluntary", "champion") else None
        for signal, (before_churn, per_quarter) in SIGNALS.items():
            if signal == "power_user_silent" and not has_power_user:
                continue
            count = tally.setdefault(signal, Counter())
            if end is not None and end <= AS_OF and (end - spell.start).days >= SIGNAL_MIN_TENURE_DAYS:
                count["churns"] += 1
                shows = dice.chance(before_churn)
                count["churns_with_signal"] += shows
            else:
                shows = end is not None and (end - spell.start).days >= SIGNAL_MIN_TENURE_DAYS
                shows = shows and dice.chance(before_churn)
            if shows and end is not None:
                onset = end - timedelta(dice.whole(80, 120))
                account.episodes[signal].append(Episode(onset, end))
            quiet_to = min((spell.end or EXTRACT + timedelta(150)) - timedelta(150), EXTRACT)
            block = spell.start + timedelta(70)
            while block + timedelta(91) <= quiet_to:
                count["quarters"] += 1
                if dice.chance(per_quarter):
                    count["quarters_with_signal"] += 1
                    onset = block + timedelta(dice.whole(0, 30))
                    account.episodes[signal].append(Episode(onset, onset + timedelta(dice.whole(42, 60))))
                block += timedelta(91)


# --------------------------------------------------------------------------------------------------------------------
# People
# --------------------------------------------------------------------------------------------------------------------
def make_contacts(book: Book, account: Account) -> None:
    """The people of an account and the roles they hold; departures have successors."""
    dice = account.dice("contacts")
    if account.model != "b2b_contract":
        first, last = (account.name + " ").split(" ")[:2]
        created = dice.at(account.start, 6, 8)
        account.contacts.append(_contact(book, account, f"{first} {last}", created, "example.com"))
        return
    domain = f"{account.account_id.lower()}.example"

    def person(created: datetime) -> Contact:
        contact = _contact(book, account, f"{dice.pick(FIRST_NAMES)} {dice.pick(LAST_NAMES)}", created, domain)
        account.contacts.append(contact)
        return contact

    created = dice.at(account.start, 6, 8)
    champion = person(created)
    champion.roles.append(("champion", account.start, None))
    decider = champion if account.sizes[0][1] == "small" and dice.chance(0.6) else person(created)
    decider.roles.append(("decision_maker", account.start, None))
    if account.sizes[0][1] != "small" or dice.chance(0.3):
        joins = created + timedelta(days=dice.whole(1, 20))
        if joins.date() < EXTRACT:
            person(joins).roles.append(("power_user", joins.date(), None))
    for role, share in (("billing", 0.3), ("user", 0.1)):
        if dice.chance(share):
            person(created).roles.append((role, account.start, None))
    last_day = account.spells[-1].stop if account.spells else EXTRACT
    for departure in account.departures:
        if departure.on >= EXTRACT:
            continue
        leaver = account.contact_with(departure.role, departure.on)
        leaver.left = dice.at(departure.on, 9, 15)
        held = [role for role, _, to in leaver.roles if to is None]
        leaver.roles = [(role, since, to or departure.on) for role, since, to in leaver.roles]
        follows = departure.on + timedelta(dice.whole(15, 60))
        if departure.exits and not dice.chance(0.3):
            continue
        if follows >= last_day:
            continue
        successor = person(dice.at(follows, 8, 12))
        successor.roles += [(role, follows, None) for role in held]
    for contact in account.contacts:  # others leave too, and nothing follows from it
        if {role for role, _, _ in contact.roles} <= {"billing", "user"} and dice.chance(0.2) and contact.left is None:
            contact.left = dice.at(dice.day(contact.created.date() + timedelta(30), EXTRACT + timedelta(200)))
            if contact.left.date() >= EXTRACT:
                contact.left = None
            else:
                contact.roles = [(role, since, contact.left.date()) for role, since, _ in contact.roles]


def _contact(book: Book, account: Account, name: str, created: datetime, domain: str) -> Contact:
    contact_id = book.next_id("C")
    plain = name.lower().translate(str.maketrans("öøåüäÅ ", "ooauaA."))
    local = plain if domain != "example.com" else f"{plain}.{contact_id[1:]}"
    language = LANGUAGE.get(account.country, "de")
    return Contact(contact_id, account.account_id, name, f"{local}@{domain}", language, created)


def write_people(book: Book, accounts: Iterable[Account]) -> None:
    """contacts, contact_roles, consents and account_managers."""
    for account in accounts:
        dice = account.dice("consents")
        for index, contact in enumerate(account.contacts):
            book.add(
                "contacts",
                contact_id=contact.contact_id,
                account_id=contact.account_id,
                full_name=contact.name,
                email=contact.email,
                language=contact.language,
                created_at=contact.created,
                left_at=contact.left,
            )
            for role, since, to in contact.roles:
                book.add("contact_roles", contact_id=contact.contact_id, role=role, valid_from=since, valid_to=to)
            if index == 0:
                for purpose, channel, share in (
                    ("newsletter", "email", 0.7),
                    ("upsell", "email", 0.45),
                    ("win_back", "email", 0.45),
                    ("win_back", "call", 0.15),
                    ("trigger", "email", 0.4 if account.model == "b2c_shop" else 0.15),
                ):
                    if dice.chance(share):
                        granted = contact.created + timedelta(minutes=dice.whole(2, 3000))
                        if granted.date() >= EXTRACT:
                            continue
                        withdrawn = None
                        if purpose != "newsletter" and dice.chance(0.06):
                            withdrawn = granted + timedelta(days=dice.whole(30, 500))
                            withdrawn = withdrawn if withdrawn.date() < EXTRACT else None
                        book.add(
                            "consents",
                            contact_id=contact.contact_id,
                            purpose=purpose,
                            channel=channel,
                            granted_at=granted,
                            withdrawn_at=withdrawn,
                        )
        for since, to, manager in account.managers:
            book.add(
                "account_managers",
                account_id=account.account_id,
                valid_from=since,
                valid_to=to,
                account_manager_id=manager,
            )


def assign_managers(account: Account) -> None:
    """Who looks after a business customer; one manager left and handed the whole portfolio over."""
    if account.model != "b2b_contract":
        return
    manager = account.dice("manager").pick(MANAGERS)
    if manager == MANAGER_LEAVES and account.start >= MANAGER_LEAVES_ON:
        manager = MANAGER_SUCCESSOR
    account.managers = [(account.start, None, manager)]
    if manager == MANAGER_LEAVES:
        account.managers = [
            (account.start, MANAGER_LEAVES_ON, manager),
            (MANAGER_LEAVES_ON, None, MANAGER_SUCCESSOR),
        ]


# --------------------------------------------------------------------------------------------------------------------
# Use
# --------------------------------------------------------------------------------------------------------------------
def write_usage(book: Book, account: Account) -> None:
    """Day totals: log-ins on the days of use, the core feature, now and then a secondary one."""
    dice = account.dice("usage")
    business = account.model == "b2b_contract"
    core = "board" if business else "scan"
    adopted = dice.sample(SECONDARY_FEATURES, dice.whole(2, 4)) if business else ["backup", "share"]
    if business:
        usual = {"small": 8.0, "mid": 18.0, "large": 40.0}[account.sizes[0][1]] * dice.uniform(0.75, 1.3)
    else:
        usual = dice.uniform(4, 9)
    trial = [(account.start, account.start + timedelta(account.trial_days))] if account.trial_days else []
    for start, stop in trial + [(spell.start, spell.stop) for spell in account.spells]:
        first = start + timedelta(dice.whole(2, 6))
        while business and first.weekday() not in (1, 2, 3):  # a day either way stays within the working week
            first += timedelta(1)
        for week in range(200):
            if first + timedelta(7 * week) >= min(stop, EXTRACT):
                break
            on = first + timedelta(7 * week + dice.whole(-1, 1))
            if on < min(stop, EXTRACT):
                _use_day(book, account, dice, on, week, usual, core, adopted)


def _use_day(
    book: Book, account: Account, dice: Dice, on: date, week: int, usual: float, core: str, adopted: Sequence[str]
) -> None:
    business = account.model == "b2b_contract"
    if account.pays_without_use_from and on >= account.pays_without_use_from:
        return
    if any(v.is_paused and v.valid_from <= on and (v.valid_to is None or on < v.valid_to) for v in account.versions):
        return
    level = 1.0
    decline = account.in_episode("login_decline", on)
    if decline:
        level = 1 - 0.65 * min(1.0, (on - decline.start).days / 28)
    logins = max(1, round(usual * level * dice.uniform(0.8, 1.2)))
    row: dict[str, Any] = {"account_id": account.account_id, "used_on": on}
    book.add("usage_daily", **row, feature="login", event_name="login", quantity=logins)
    uses_core = week % 3 == 0 and dice.chance(0.995)
    if uses_core and not account.in_episode("core_unused", on):
        used = max(1, round(logins * dice.uniform(0.2, 0.5)))
        book.add("usage_daily", **row, feature=core, quantity=used)
    shrunk = account.in_episode("breadth_shrinks", on) is not None
    if business and dice.chance(0.28):
        feature = adopted[0] if shrunk else dice.pick(adopted)
        if not shrunk or dice.chance(0.5):
            book.add("usage_daily", **row, feature=feature, quantity=dice.whole(1, 9))
    for contact in account.contacts:
        if any(role == "power_user" for role, _, _ in contact.roles) and contact.created.date() < on:
            if week % 4 == 1 and dice.chance(0.99) and not account.in_episode("power_user_silent", on):
                own = {**row, "contact_id": contact.contact_id}
                book.add("usage_daily", **own, feature="login", event_name="login", quantity=dice.whole(1, 5))
            break


def write_tickets(book: Book, account: Account) -> None:
    """Support tickets: the usual ones, spikes, and the CSAT survey that follows some of them."""
    dice = account.dice("tickets")
    business = account.model == "b2b_contract"
    rate = {"small": 0.08, "mid": 0.13, "large": 0.22}[account.sizes[0][1]] if business else 0.05
    rate *= 3 if account.complains else 1
    days: list[tuple[date, bool]] = []
    for spell in account.spells:
        for month in range(40):
            since = spell.start + timedelta(30 * month)
            if since >= spell.stop:
                break
            until = min(since + timedelta(30), spell.stop)
            days += [(dice.day(since, until - timedelta(1)), False) for _ in range(dice.poisson(rate))]
    for episode in account.episodes["ticket_spike"]:
        days += [(dice.day(episode.start, episode.start + timedelta(27)), True) for _ in range(dice.whole(4, 6))]
    for day, in_spike in sorted(days):
        if day >= EXTRACT:
            continue
        opened = dice.at(day, 6, 17)
        contact = account.contact_with("power_user", day)
        complaint = dice.chance(0.6 if account.complains else 0.35 if in_spike else 0.08)
        hours = dice.uniform(20, 120) if in_spike else dice.uniform(0.5, 30)
        answered = opened + timedelta(minutes=int(hours * 60))
        resolved = answered + timedelta(minutes=int(hours * 60 * dice.uniform(0.3, 4)))
        open_still = resolved.date() >= EXTRACT or dice.chance(0.02)
        book.add(
            "support_tickets",
            ticket_id=book.next_id("K"),
            account_id=account.account_id,
            contact_id=contact.contact_id,
            opened_at=opened,
            first_response_at=answered if answered.date() < EXTRACT else None,
            resolved_at=None if open_still else resolved,
            priority=dice.weighted({"low": 0.3, "normal": 0.5, "high": 0.2 + 0.3 * in_spike}),
            is_complaint=complaint,
            reopened_count=dice.poisson(0.5 if in_spike else 0.08),
        )
        if not open_still and dice.chance(0.5):
            low, high = (1, 3) if in_spike or complaint else (3, 5)
            _survey(book, account, dice, "csat", contact, resolved + timedelta(hours=2), dice.whole(low, high))


def _survey(
    book: Book,
    account: Account,
    dice: Dice,
    survey: str,
    contact: Contact | None,
    sent: datetime,
    score: int | None,
    topic: str | None = None,
    answers: bool | None = None,
) -> None:
    if sent.date() >= EXTRACT:
        return
    answers = dice.chance(SURVEY_RESPONSE) if answers is None else answers
    responded = sent + timedelta(minutes=dice.whole(20, 6000))
    if responded.date() >= EXTRACT:
        answers = False
    book.add(
        "survey_responses",
        response_id=book.next_id("R"),
        account_id=account.account_id,
        contact_id=contact.contact_id if contact else None,
        survey=survey,
        sent_at=sent,
        responded_at=responded if answers else None,
        score=score if answers and survey != "cancel_reason" else None,
        topic=topic if answers else None,
    )


def write_surveys(book: Book, account: Account) -> None:
    """NPS twice a year; the drops planted before a churn; why they left."""
    dice = account.dice("surveys")
    happy = dice.whole(7, 9)
    for spell in account.spells:
        day = spell.start + timedelta(90 if account.model == "b2b_contract" else 60)
        while day < spell.stop:
            score = min(10, max(0, happy + dice.whole(-1, 2)))
            _survey(book, account, dice, "nps", account.contact_with("champion", day), dice.at(day), score)
            day += timedelta(dice.whole(170, 195))
        if spell.known_end and spell.cause in ("voluntary", "champion"):
            sent = dice.at(spell.known_end + timedelta(1))
            _survey(book, account, dice, "cancel_reason", account.contacts[0], sent, None, spell.reason or "other")
    for episode in account.episodes["nps_drop"]:
        before, after = episode.start - timedelta(dice.whole(60, 80)), episode.start + timedelta(dice.whole(0, 14))
        contact = account.contact_with("champion", after)
        _survey(book, account, dice, "nps", contact, dice.at(before), dice.whole(8, 10), answers=True)
        _survey(book, account, dice, "nps", contact, dice.at(after), dice.whole(1, 6), "service", answers=True)


# --------------------------------------------------------------------------------------------------------------------
# The shop
# --------------------------------------------------------------------------------------------------------------------
def write_shop(book: Book, account: Account) -> None:
    """Orders of a customer without a contract, and the product events around them."""
    dice = account.dice("orders")
    contact = account.contacts[0]
    mean_gap = dice.pick([25, 40, 60, 90, 130])
    day = account.start
    sleeps = account.start < date(2024, 12, 1) and dice.chance(0.3)  # returns after more than a year
    member = dice.chance(0.65)
    if member:
        book.add(
            "loyalty_memberships",
            account_id=account.account_id,
            programme="bonus",
            valid_from=day,
            programme_kind="points",
            tier="member",
        )
    balance = 0
    for number in range(40):
        if day >= EXTRACT:
            break
        moment = dice.at(day, 6, 21)
        category = dice.pick(list(SHOP_CATEGORIES))
        gross = money(SHOP_CATEGORIES[category] * dice.uniform(0.7, 2.2) * float(LIST_FACTOR[account.currency]))
        at_discount = dice.chance(0.9 if account.discount_dependent else 0.12)
        discount = money(gross * Decimal("0.2")) if at_discount else Decimal("0.00")
        order: dict[str, Any] = {
            "order_id": book.next_id("O"),
            "account_id": account.account_id,
            "ordered_at": moment,
            "amount": gross - discount,
            "discount_amount": discount,
            "cost_amount": money(gross * Decimal("0.55")),
            "currency": account.currency,
            "category": category,
            "promotion_code": dice.pick(["SAVE20", "SPRING", "CLUB20"]) if at_discount else None,
        }
        row = book.add("orders", **order)
        back = moment + timedelta(days=dice.whole(6, 20))
        if dice.chance(0.07) and back.date() < EXTRACT:  # goods come back: the same key, recorded later
            book.correct("orders", row, back, returned_amount=gross - discount)
        if day >= TRACKING_FROM:
            for name, minutes in (("category_view", 40), ("basket_add", 20), ("checkout", 3)):
                _event(book, account, contact, name, category, moment - timedelta(minutes=minutes))
        if member:
            points = int(gross - discount)
            balance += points
            _points(book, account, points, moment)
            if balance >= 150 and dice.chance(0.35):
                _points(book, account, -100, moment + timedelta(minutes=1))
                balance -= 100
        if sleeps and number == 1:
            day += timedelta(dice.whole(375, 450))
            if day < AS_OF:
                book.back_after_a_year.append(account.account_id)
            continue
        if dice.chance(0.1):
            break
        day += timedelta(1 + int(-mean_gap * math.log(1 - dice.uniform(0, 0.999))))
    _browse(book, account, dice, contact)


def _points(book: Book, account: Account, points: int, moment: datetime) -> None:
    if points and moment.date() < EXTRACT:
        book.add(
            "loyalty_points",
            entry_id=book.next_id("P"),
            account_id=account.account_id,
            programme="bonus",
            points=points,
            occurred_at=moment,
        )


def _event(
    book: Book, account: Account, contact: Contact | None, name: str, feature: str | None, moment: datetime, **more: Any
) -> str:
    event_id = book.next_id("E")
    if moment.date() < EXTRACT:
        book.add(
            "usage_events",
            event_id=event_id,
            account_id=account.account_id,
            contact_id=contact.contact_id if contact else None,
            event_name=name,
            feature=feature,
            occurred_at=moment,
            **more,
        )
    return event_id


def _browse(book: Book, account: Account, dice: Dice, contact: Contact) -> None:
    """Baskets left behind and categories looked at again and again, with the mails that answer them."""
    since = max(TRACKING_FROM, account.start)
    if since >= AS_OF - timedelta(20):
        return
    for _ in range(dice.whole(0, 2)):
        category = dice.pick(list(SHOP_CATEGORIES))
        moment = dice.at(dice.day(since, EXTRACT - timedelta(2)), 6, 20)
        event_id = _event(book, account, contact, "basket_add", category, moment)
        if dice.chance(0.7):
            delay = dice.whole(10, 55) if dice.chance(0.5) else dice.whole(90, 2000)
            _message(
                book, account, dice, contact, "trigger", moment + timedelta(minutes=delay), click=0.3, event=event_id
            )
    if dice.chance(0.5):
        category = dice.pick(list(SHOP_CATEGORIES))
        day = dice.day(since, EXTRACT - timedelta(9))
        for step in range(dice.whole(3, 4)):
            _event(book, account, contact, "category_view", category, dice.at(day + timedelta(2 * step), 6, 21))


# --------------------------------------------------------------------------------------------------------------------
# Communication, milestones, loyalty
# --------------------------------------------------------------------------------------------------------------------
def _message(
    book: Book,
    account: Account,
    dice: Dice,
    contact: Contact,
    purpose: str,
    sent: datetime,
    *,
    channel: str = "email",
    click: float = 0.1,
    event: str | None = None,
    discount: int | None = None,
    converted: datetime | None = None,
    unsubscribe: float = 0.0,
) -> datetime | None:
    """One message; returns when the contact unsubscribed, if so."""
    if sent.date() >= EXTRACT:
        return None
    clicks = dice.chance(click)
    opens = clicks or dice.chance(0.35)
    opened = sent + timedelta(minutes=dice.whole(5, 1500))
    clicked = opened + timedelta(minutes=dice.whole(1, 10))
    gone = opened + timedelta(minutes=2) if dice.chance(unsubscribe) else None
    if channel != "email" or opened.date() >= EXTRACT or clicked.date() >= EXTRACT:
        opens = clicks = False
        gone = None
    if converted is not None and converted < sent:
        converted = None
    book.add(
        "messages",
        message_id=book.next_id("M"),
        account_id=account.account_id,
        contact_id=contact.contact_id,
        channel=channel,
        purpose=purpose,
        is_personalised=dice.chance(0.66),
        trigger_event_id=event,
        sent_at=sent,
        opened_at=opened if opens or gone else None,
        clicked_at=clicked if clicks else None,
        converted_at=converted,
        unsubscribed_at=gone,
        discount_percent=discount,
    )
    return gone


def write_messages(book: Book, account: Account, newsletter: set[str]) -> None:
    """Welcome, newsletter, win-back, upsell and service messages; downloads and webinars."""
    dice = account.dice("messages")
    contact = account.contacts[0]
    business = account.model == "b2b_contract"
    late = dice.chance(0.43)
    welcome = contact.created + (timedelta(days=dice.whole(4, 21)) if late else timedelta(minutes=dice.whole(5, 600)))
    _message(book, account, dice, contact, "welcome", welcome, click=0.35)
    stays = [(spell.start, spell.stop) for spell in account.spells] or [(account.start, EXTRACT)]
    if contact.contact_id in newsletter:
        for quarter in range(6):
            day = add_months(date(2025, 1, 1), 3 * quarter) + timedelta(dice.whole(10, 45))
            if not any(since <= day < to for since, to in stays) or not dice.chance(0.75):
                continue
            weekend = business and dice.chance(0.4)
            day += timedelta((5 - day.weekday()) % 7) if weekend else timedelta(max(0, day.weekday() - 4) * -2)
            sent = dice.at(day, 3, 5) if weekend else dice.at(day, 8, 15)
            click = WEEKEND_CLICK if weekend else WEEKDAY_CLICK
            gone = _message(
                book, account, dice, contact, "newsletter", sent, click=click, unsubscribe=NEWSLETTER_UNSUBSCRIBE
            )
            if gone:
                for row in book.tables["consents"]:
                    if row["contact_id"] == contact.contact_id and row["purpose"] == "newsletter":
                        row["withdrawn_at"] = text(gone)
                break
    for how in ("value", "discount"):
        for episode in account.episodes[f"win_back:{how}"]:
            returned = episode.stop > episode.start
            sent = dice.at(episode.start)
            channel = dice.weighted({"email": 0.6, "postcard": 0.2, "call": 0.2})
            came_back = dice.at(episode.stop) if returned else None
            percent = 20 if how == "discount" else None
            _message(
                book,
                account,
                dice,
                contact,
                "win_back",
                sent,
                channel=channel,
                discount=percent,
                converted=came_back,
                click=0.15,
            )
            book.add(
                "offers",
                offer_id=book.next_id("F"),
                account_id=account.account_id,
                kind="win_back",
                occasion="none",
                offered_at=sent,
                decided_at=came_back,
                is_accepted=returned or None,
            )
    for since, to in stays:
        if business:
            for day in firsts(since + timedelta(60), to):
                if dice.chance(0.05):
                    channel = dice.weighted({"call": 0.45, "event": 0.25, "email": 0.2, "chat": 0.1})
                    holder = account.contact_with("champion", day)
                    purpose = "service" if channel != "email" else "upsell"
                    _message(book, account, dice, holder, purpose, dice.at(day + timedelta(3)), channel=channel)
                if day >= TRACKING_FROM and dice.chance(0.07):
                    moment = dice.at(day + timedelta(dice.whole(1, 20)))
                    holder = account.contact_with("power_user", day)
                    if moment.date() < to:
                        _event(book, account, holder, "download", dice.pick(["guide", "benchmark"]), moment)
                        if dice.chance(0.5):
                            later = moment + timedelta(days=dice.whole(3, 12))
                            _event(book, account, holder, "webinar", "retention", later)
                            add_milestone(book, account, "event_attended", later)


def write_milestones(book: Book, account: Account) -> None:
    """Onboarding and the other steps of a relationship; status programme for business customers."""
    dice = account.dice("milestones")
    business = account.model == "b2b_contract"
    for index, spell in enumerate(account.spells):
        early = spell.end is not None and spell.end <= add_months(spell.start, 3)
        if index == 0 and dice.chance(ONBOARDED["leaves_within_3_months" if early else "stays"]):
            longest = min(40 if business else 20, (spell.stop - spell.start).days - 1)
            if longest >= 1:
                done = spell.start + timedelta(dice.whole(1, longest))
                add_milestone(book, account, "onboarding_completed", dice.at(done))
        months = [day for day in firsts(spell.start + timedelta(60), spell.stop) if dice.chance(0.03)]
        kinds = {"feedback_given": 0.3, "suggestion_implemented": 0.15, "review_written": 0.2, "referral": 0.15}
        if business:
            kinds |= {"business_review": 0.2, "integration_live": 0.25, "success_event": 0.2}
        for day in months:
            add_milestone(book, account, dice.weighted(kinds), dice.at(day + timedelta(dice.whole(0, 25))))
    unused_from = account.pays_without_use_from
    if unused_from and unused_from + timedelta(60) < account.spells[0].stop:
        offered = dice.at(unused_from + timedelta(60))  # a smaller plan, not taken up: they go on paying for nothing
        decided = offered + timedelta(days=dice.whole(1, 9)) if dice.chance(0.6) else None
        decided = decided if decided and decided.date() < EXTRACT else None
        book.add(
            "offers",
            offer_id=book.next_id("F"),
            account_id=account.account_id,
            kind="right_size",
            occasion="none",
            offered_at=offered,
            decided_at=decided,
            is_accepted=None if decided is None else False,
        )
    if business and account.spells and dice.chance(0.4):
        spell = account.spells[0]
        joined = add_months(spell.start, 6)
        ends = spell.known_end if spell.known_end and spell.known_end < EXTRACT else None
        if joined < spell.stop:
            tier = {"small": "silver", "mid": "silver", "large": "gold"}[account.sizes[0][1]]
            rises = add_months(joined, 9)
            rises_to = rises if dice.chance(0.4) and rises < spell.stop else None
            better = {"silver": "gold", "gold": "platinum"}[tier]
            for since, to, name in ((joined, rises_to or ends, tier), (rises_to, ends, better)):
                if since:
                    book.add(
                        "loyalty_memberships",
                        account_id=account.account_id,
                        programme="circle",
                        valid_from=since,
                        valid_to=to,
                        programme_kind="status",
                        tier=name,
                    )


# --------------------------------------------------------------------------------------------------------------------
# Money
# --------------------------------------------------------------------------------------------------------------------
def write_invoices(book: Book, account: Account) -> None:
    """Invoices since the migration, and older ones that were never paid."""
    dice = account.dice("invoices")
    unpaid_since = {
        spell.end - timedelta(100): spell.end
        for spell in account.spells
        if spell.cause == "payment" and spell.end is not None
    }
    for version in account.versions:
        if version.is_trial or version.is_paused:
            continue
        stop = version.valid_to or next(
            (
                other.valid_from
                for other in account.versions
                if other.subscription_id == version.subscription_id and other.valid_from > version.valid_from
            ),
            EXTRACT,
        )
        for number in range(40):
            issued = add_months(version.valid_from, number * version.interval)
            if issued >= min(stop, EXTRACT):
                break
            due = issued + timedelta(14)
            unpaid = any(since <= issued < until for since, until in unpaid_since.items())
            paid = due + timedelta(dice.whole(-10, 6))
            overdue = dice.chance(0.01) and issued >= date(2026, 3, 1)
            share = Decimal(1)
            if version.contract_end and version.contract_end < add_months(issued, version.interval):
                days = (add_months(issued, version.interval) - issued).days
                share = Decimal((version.contract_end - issued).days) / days
            row: dict[str, Any] = {
                "invoice_id": book.next_id("I", 5),
                "account_id": account.account_id,
                "subscription_id": version.subscription_id,
                "issued_on": issued,
                "due_on": due,
                "amount": money(version.amount * version.quantity * share),
                "currency": account.currency,
                "status": "paid",
            }
            if unpaid or overdue:
                book.add("invoices", **{**row, "status": "failed"})
            elif issued < INVOICES_FROM:
                continue
            elif paid >= EXTRACT:
                book.add("invoices", **{**row, "status": "open"})
            else:
                if dice.chance(0.004):  # issued by mistake and made again
                    book.add("invoices", **{**row, "status": "void"})
                    row["invoice_id"] = book.next_id("I", 5)
                paid_row = book.add("invoices", **{**row, "paid_on": paid})
                refund = issued + timedelta(30)
                if dice.chance(0.006) and refund < EXTRACT:
                    half = money(version.amount * version.quantity * share / 2)
                    book.correct("invoices", paid_row, dice.at(refund), refunded_amount=half)


def write_company_tables(book: Book) -> None:
    """Price list, features, exchange rates, costs and what users said of alerts."""
    for plan, (price, seats, rank) in B2B_PLANS.items():
        for since in (START, PRICE_RISE_ON):
            book.add(
                "plans",
                plan=plan,
                valid_from=since,
                list_amount=money(Decimal(price) * (PRICE_RISE if since == PRICE_RISE_ON else 1)),
                billing_interval_months=1,
                currency="EUR",
                seats=seats,
                tier_rank=rank,
            )
    for plan, (cheap, seats, rank) in B2C_PLANS.items():
        book.add(
            "plans",
            plan=plan,
            valid_from=START,
            list_amount=cheap,
            billing_interval_months=1,
            currency="EUR",
            seats=seats,
            tier_rank=rank,
        )
    for feature, is_core, is_integration in (
        ("board", True, False),
        ("scan", True, False),
        ("report", False, False),
        ("auto", False, False),
        ("mobile", False, False),
        ("export", False, False),
        ("api", False, True),
        ("sso", False, True),
        ("backup", False, False),
        ("share", False, False),
    ):
        book.add("features", feature=feature, is_core=is_core, is_integration=is_integration)
    dice = Dice("rates")
    rates = {"USD": 0.918, "GBP": 1.152}
    middle = {"USD": 0.92, "GBP": 1.165}
    day = date(2023, 12, 20)
    while day < EXTRACT:
        for currency in rates:
            rates[currency] += 0.06 * (middle[currency] - rates[currency]) + dice.normal(0, 0.007)
            book.add("fx_rates", currency=currency, quote_currency="EUR", rate_on=day, rate=f"{rates[currency]:.5f}")
        day += timedelta(5)
    _write_costs(book)
    for account_id, signal, opened_on, given_on, verdict in FEEDBACK:
        alert = "|".join((account_id, signal, opened_on))
        book.add(
            "alert_feedback",
            alert_id=hashlib.md5(alert.encode(), usedforsecurity=False).hexdigest(),
            given_at=f"{given_on} 09:30:00",
            verdict=verdict,
            given_by="success@vendor.example",
        )


def _write_costs(book: Book) -> None:
    dice = Dice("costs")

    def cost(since: date, until: date, kind: str, category: str, amount: float, **more: Any) -> None:
        book.add(
            "costs",
            cost_id=book.next_id("Z"),
            period_start=since,
            period_end=until,
            kind=kind,
            category=category,
            amount=money(amount),
            currency="EUR",
            **more,
        )

    spend = {
        "paid_search": ("advertising", 900),
        "social": ("advertising", 450),
        "inbound": ("advertising", 1500),
        "outbound": ("sales", 3200),
        "partner": ("sales", 1400),
        "event": ("advertising", 1100),
    }
    for index, month in enumerate(firsts(START, AS_OF)):
        until = add_months(month, 1)
        for channel, (category, base) in spend.items():  # acquisition grows dearer by about 10 % a year
            cost(month, until, "acquisition", category, base * 1.008**index * dice.uniform(0.85, 1.15), channel=channel)
        cost(month, until, "service", "team", 2600 + 55 * index + dice.uniform(-150, 150))
        if month.month in (1, 4, 7, 10):
            quarter_end = add_months(month, 3)
            for category, base in (("team", 5000), ("software", 900), ("rewards", 1900), ("recognition", 600)):
                cost(month, quarter_end, "retention", category, base * dice.uniform(0.95, 1.05))


# --------------------------------------------------------------------------------------------------------------------
# What a CRM also holds: test accounts, merges, corrections, late rows, rubbish
# --------------------------------------------------------------------------------------------------------------------
def write_accounts(book: Book, accounts: Iterable[Account]) -> None:
    """accounts and account_history."""
    for account in accounts:
        dice = account.dice("row")
        business = account.model == "b2b_contract"
        size = account.sizes[-1][1] if business else None
        book.add(
            "accounts",
            account_id=account.account_id,
            account_name=account.name,
            is_test=account.is_test,
            business_model=account.model,
            industry=account.industry,
            company_size=None if business and dice.chance(0.2) else size,  # derived from the head count then
            employee_count=account.employees,
            country_code=account.country,
            region=account.region,
            acquisition_channel=account.channel,
            acquired_on=account.start,
            currency=account.currency,
            gross_margin=account.margin,
            closed_on=account.closed,
        )
        if len(account.sizes) > 1 and account.sizes[1][0] < EXTRACT:
            paid = [v for v in account.versions if v.plan != ADD_ON[0]]
            days = {account.start, account.sizes[1][0]} | {v.valid_from for v in paid}
            days |= {since for since, _, _ in account.managers}
            previous: dict[str, Any] = {}
            for day in sorted(days):
                state = {
                    "industry": account.industry,
                    "company_size": account.size_at(day),
                    "region": account.region,
                    "account_manager_id": [m for since, _, m in account.managers if since <= day][-1],
                    "plan_tier": [v.plan for v in paid if v.valid_from <= day][-1],
                }
                if state != previous:
                    book.add("account_history", account_id=account.account_id, valid_from=day, **state)
                previous = state


def write_subscriptions(book: Book, accounts: Iterable[Account]) -> None:
    """Every subscription version."""
    for account in accounts:
        for version in account.versions:
            _write_version(book, account.currency, version)


def _write_version(book: Book, currency: str, version: Version, **more: Any) -> Row:
    values: dict[str, Any] = {
        "subscription_id": version.subscription_id,
        "valid_from": version.valid_from,
        "account_id": version.account_id,
        "product": version.product,
        "plan": version.plan,
        "quantity": version.quantity,
        "amount": version.amount,
        "list_amount": version.list_amount,
        "currency": currency,
        "billing_interval_months": version.interval,
        "valid_to": version.valid_to,
        "contract_term_months": version.term,
        "contract_end_on": version.contract_end,
        "auto_renews": version.auto_renews,
        "is_trial": True if version.is_trial else None,
        "is_paused": True if version.is_paused else None,
        "notice_given_on": version.notice,
        "recorded_at": version.recorded,
    }
    return book.add("subscriptions", **{**values, **more})


def write_cancellations(book: Book, accounts: Iterable[Account]) -> None:
    """The cancellations written down; some customers leave without one."""
    comments = ["We never got an answer.", "Prices were not what we were told.", "Nobody called us.", "Moving on."]
    for account in accounts:
        dice = account.dice("cancellations")
        for spell in account.spells:
            if spell.known_end is None or not spell.has_cancellation:
                continue
            requested = spell.notice or spell.known_end
            if requested >= EXTRACT:
                continue
            last = [v for v in account.versions if v.valid_to == spell.known_end and v.plan != ADD_ON[0]][-1]
            book.add(
                "cancellations",
                cancellation_id=book.next_id("X"),
                account_id=account.account_id,
                subscription_id=last.subscription_id if dice.chance(0.8) else None,
                requested_on=requested,
                effective_on=spell.known_end,
                reason_code=spell.reason,
                comment=dice.pick(comments) if dice.chance(0.3) else None,
            )


def make_merges(book: Book, accounts: list[Account]) -> dict[str, str]:
    """One company that was two accounts for a while, and one consumer who signed up again under a new address."""
    merged: dict[str, str] = {}
    # the company: a second account with a subscription of its own until it was merged into the first
    survivor = next(
        a
        for a in accounts
        if a.model == "b2b_contract"
        and a.spells
        and a.spells[0].start < date(2024, 3, 1)
        and a.spells[0].end is None
        and a.currency == "EUR"
        and len(a.sizes) == 1
    )
    twin = Account("A801", survivor.model, date(2024, 5, 15), survivor.region, survivor.country, "EUR")
    twin.name, twin.industry, twin.sizes = survivor.name, survivor.industry, [(twin.start, survivor.sizes[0][1])]
    twin.employees, twin.channel, twin.margin = survivor.employees, survivor.channel, survivor.margin
    merged_on = date(2025, 2, 1)
    twin.versions.append(_version(twin, twin.new_subscription(), twin.start, "team", 1, term=1, auto_renews=True))
    twin.versions[0].valid_to = merged_on
    survivor.versions.append(_version(survivor, survivor.new_subscription(), merged_on, "team", 1, term=1))
    survivor.versions[-1].interval, survivor.versions[-1].list_amount = 1, twin.versions[0].list_amount
    survivor.versions[-1].amount = twin.versions[0].amount
    accounts.append(twin)
    merged[twin.account_id] = survivor.account_id
    # the consumer: the early versions stay with the old account
    person = next(
        a
        for a in accounts
        if a.model == "b2c_subscription"
        and len(a.spells) == 1
        and a.spells[0].end is None
        and a.trial_days == 0
        and a.spells[0].start < date(2025, 6, 1)
        and len(a.versions) == 1
    )
    old = Account("A802", person.model, person.start, person.region, person.country, person.currency)
    old.name, old.channel, old.margin = person.name, person.channel, person.margin
    again_on = add_months(person.start, 7)
    first = person.versions[0]
    old.versions.append(Version(**{**first.__dict__, "account_id": old.account_id, "subscription_id": "S802-1"}))
    old.versions[0].valid_to = again_on
    first.valid_from = again_on
    person.start = again_on
    for contact in person.contacts:
        contact.created = contact.created.replace(again_on.year, again_on.month, again_on.day)
    accounts.append(old)
    merged[old.account_id] = person.account_id
    for account in (twin, old):
        assign_managers(account)
        make_contacts(book, account)
    return merged


def make_test_accounts(book: Book) -> list[Account]:
    """Accounts of the vendor's own staff, with amounts that would be seen if they were counted."""
    made = []
    for number, model in ((811, "b2b_contract"), (812, "b2b_contract"), (813, "b2c_subscription")):
        account = Account(f"A{number}", model, date(2024, 2, 1), is_test=True)
        account.name, account.channel, account.acquired = f"TEST {number}", "organic", date(2024, 2, 1)
        if model == "b2b_contract":
            account.industry, account.sizes, account.employees = "software", [(account.start, "large")], 999
            account.term = 1
        plan = "enterprise" if model == "b2b_contract" else "family"
        end = date(2025, 3, 1) if number == 812 else None
        account.spells = [Spell(account.start, end)]
        version = _version(account, account.new_subscription(), account.start, plan, 50, term=1, auto_renews=True)
        version.valid_to = end
        account.versions.append(version)
        make_contacts(book, account)
        made.append(account)
    return made


def mark_zombies(accounts: Iterable[Account]) -> list[str]:
    """Customers who pay and stopped using, whatever becomes of them."""
    found = []
    for account in accounts:
        dice = account.dice("zombie")
        if account.model == "b2b_contract" and account.spells and dice.chance(0.05):
            account.pays_without_use_from = account.spells[0].start + timedelta(dice.whole(60, 100))
            if account.pays_without_use_from < account.spells[0].stop:
                found.append(account.account_id)
    return found


def plant_versions(book: Book, accounts: Sequence[Account]) -> dict[str, Any]:
    """Late, corrected and ahead-of-time versions, and versions without any effect."""
    by_id = {account.account_id: account for account in accounts}
    rows = [row for row in book.tables["subscriptions"] if not row["recorded_at"]]
    plain = [
        row
        for row in rows
        if row["valid_from"] < "2026-05-01"
        and row["product"] != "add-on"
        and not row["is_trial"]
        and not by_id[row["account_id"]].is_test
    ]
    dice = Dice("plant versions")
    late, corrected = dice.sample(plain, 12), []
    for row in late[:6]:
        since = date.fromisoformat(row["valid_from"])
        row["recorded_at"] = text(dice.at(since + timedelta(dice.whole(8, 30))))
    for row in late[6:]:  # first a wrong amount, put right two weeks later
        right, since = row["amount"], date.fromisoformat(row["valid_from"])
        row["amount"] = text(money(Decimal(right) * 10))
        book.correct("subscriptions", row, dice.at(since + timedelta(14)), amount=right)
        corrected.append({"subscription_id": row["subscription_id"], "valid_from": row["valid_from"]})
    # put right only after the as-of date: the build must not know it yet
    unknown = next(
        row
        for row in plain
        if not row["valid_to"] and not row["notice_given_on"] and row not in late and row["product"] == "flow"
    )
    later = book.correct(
        "subscriptions", unknown, datetime(2026, 7, 2, 10), amount=money(Decimal(unknown["amount"]) * 2)
    )
    # renewals signed ahead of time
    ahead: list[str] = []
    for row in rows:
        spells, ends = by_id[row["account_id"]].spells, row["contract_end_on"]
        due = text(AS_OF) < ends < "2026-10-01" and not row["valid_to"] and not row["recorded_at"]
        if due and spells and spells[-1].end is None and len(ahead) < 5:
            renewed = dict(row, valid_from=ends, recorded_at="2026-06-22 09:00:00")
            end = add_months(date.fromisoformat(ends), int(row["contract_term_months"]))
            renewed["contract_end_on"] = text(end)
            book.tables["subscriptions"].append(renewed)
            ahead.append(row["subscription_id"])
    # booked and undone on the same day
    no_effect = []
    for row in dice.sample([r for r in plain if not r["valid_to"] and r is not unknown], 3):
        subscription_id = row["subscription_id"].split("-")[0] + "-9"
        day = text(date.fromisoformat(row["valid_from"]) + timedelta(21))
        book.tables["subscriptions"].append(
            dict(row, subscription_id=subscription_id, valid_from=day, valid_to=day, contract_end_on="", recorded_at="")
        )
        no_effect.append({"subscription_id": subscription_id, "valid_from": day})
    return {
        "late_recorded": [{"subscription_id": r["subscription_id"], "valid_from": r["valid_from"]} for r in late[:6]],
        "corrected": corrected,
        "corrected_after_as_of": {
            "subscription_id": unknown["subscription_id"],
            "valid_from": unknown["valid_from"],
            "amount_known": unknown["amount"],
            "amount_later": later["amount"],
        },
        "renewed_ahead": ahead,
        "no_effect": no_effect,
    }


def plant_others(book: Book, accounts: Sequence[Account]) -> dict[str, Any]:
    """Corrections, deletions, late rows and a family of companies in the other entities."""
    dice = Dice("plant others")
    rows = book.tables["accounts"]
    business = [r for r in rows if r["business_model"] == "b2b_contract" and "2024-06" < r["acquired_on"] < "2026-01"]
    picked = dice.sample(business, 9)
    for child in picked[:5]:
        child["parent_account_id"] = rows[0]["account_id"] if child is picked[0] else picked[5]["account_id"]
    corrected = []
    for row in picked[6:8]:
        right, acquired = row["industry"], date.fromisoformat(row["acquired_on"])
        row["industry"] = "other"
        book.correct("accounts", row, dice.at(acquired + timedelta(25)), industry=right)
        corrected.append(row["account_id"])
    book.correct("accounts", picked[8], datetime(2026, 7, 3, 8, 15), acquisition_channel="marketplace")
    gifts = [r for r in business if r["company_size"] == "large"]
    for row in dice.sample(gifts, 8):  # what was spent on one customer alone
        month = dice.day(date.fromisoformat(row["acquired_on"]), AS_OF - timedelta(31)).replace(day=1)
        book.add(
            "costs",
            cost_id=book.next_id("Z"),
            period_start=month,
            period_end=add_months(month, 1),
            kind="retention",
            category="recognition",
            account_id=row["account_id"],
            amount=money(dice.uniform(80, 260)),
            currency="EUR",
        )
    shoppers = [a for a in accounts if a.model == "b2c_shop"]
    baskets = []
    for account, minute in zip(dice.sample(shoppers, 2), (18, 41), strict=True):  # left behind in the last hour
        moment = datetime.combine(AS_OF - timedelta(1), time(23, minute))
        baskets.append(_event(book, account, account.contacts[0], "basket_add", "docks", moment))
    orders = [r for r in book.tables["orders"] if not r["returned_amount"] and r["ordered_at"] < "2026-05"]
    deleted = dice.sample(orders, 2)
    for row in deleted:  # neither the order nor its deletion is left
        moment = datetime.fromisoformat(row["ordered_at"]) + timedelta(days=2)
        book.correct("orders", row, moment, superseded=2, is_deleted=True)
    for row in dice.sample([r for r in orders if r not in deleted], 6):
        row["recorded_at"] = text(datetime.fromisoformat(row["ordered_at"]) + timedelta(days=dice.whole(3, 9)))
    for row in dice.sample([r for r in book.tables["support_tickets"] if r["opened_at"] < "2026-05"], 8):
        row["recorded_at"] = text(datetime.fromisoformat(row["opened_at"]) + timedelta(days=dice.whole(2, 6)))
    people = [c for a in accounts if a.model == "b2b_contract" and not a.is_test for c in a.contacts]
    first, second = dice.sample(people, 2)
    for kind, subject, day in (
        ("contact", first.contact_id, date(2026, 3, 12)),
        ("contact", second.contact_id, date(2026, 6, 29)),
        ("account", dice.pick(shoppers).account_id, date(2026, 5, 4)),
        ("contact", dice.pick(people[:40]).contact_id, date(2026, 7, 2)),
    ):
        book.add("erasure_requests", subject_kind=kind, subject_id=subject, requested_on=day)
    return {
        "accounts_corrected": corrected,
        "account_corrected_after_as_of": picked[8]["account_id"],
        "baskets_left_in_the_last_hour": baskets,
        "orders_deleted": [row["order_id"] for row in deleted],
        "parents": {row["account_id"]: row["parent_account_id"] for row in picked[:5]},
    }


def plant_dirty_rows(book: Book, accounts: Sequence[Account]) -> None:
    """Rows that must not reach a mart, each for one reason."""
    good = [a for a in accounts if a.model == "b2b_contract" and a.spells and a.spells[0].end is None][:20]
    a, b, c = (account.account_id for account in good[:3])
    contact = good[0].contacts[0].contact_id
    account = dict(account_name="Dirty", is_test="false", business_model="b2b_contract", currency="EUR")
    book.add_dirty(
        "accounts",
        "not_in_list:business_model",
        **{**account, "account_id": "A901", "business_model": "b2b", "acquired_on": "2024-05-01"},
    )
    book.add_dirty("accounts", "missing_key", **account, acquired_on="2024-05-02")
    book.add_dirty("accounts", "unparsable:acquired_on", **account, account_id="A902", acquired_on="2025-13-45")
    book.add_dirty(
        "accounts",
        "impossible_date_order:acquired_on/closed_on",
        **account,
        account_id="A903",
        acquired_on="2025-06-01",
        closed_on="2025-01-01",
    )
    # children of the account that falls
    subscription: dict[str, Any] = {
        "valid_from": "2025-03-01",
        "product": "flow",
        "plan": "team",
        "quantity": "1",
        "amount": "149.00",
        "list_amount": "149.00",
        "currency": "EUR",
        "billing_interval_months": "1",
    }
    book.add_dirty("subscriptions", "parent_quarantined", **subscription, subscription_id="S901-1", account_id="A901")
    book.add_dirty(
        "contacts",
        "parent_quarantined",
        contact_id="C9001",
        account_id="A901",
        full_name="Kim Quast",
        created_at="2024-05-01 08:00:00",
    )
    for day in ("2025-03-05", "2025-03-12"):
        row = dict(account_id="A901", used_on=day, feature="login", event_name="login", quantity="7")
        book.add_dirty("usage_daily", "parent_quarantined", **row)

    def bad_version(reason: str, number: int, **changes: Any) -> None:
        row = {**subscription, "subscription_id": f"S{9000 + number}-1", "account_id": a, **changes}
        book.add_dirty("subscriptions", reason, **row)

    bad_version("unknown_account", 1, account_id="A999")
    bad_version("negative:amount", 2, amount="-49.00")
    bad_version("unknown_currency", 3, currency="EURO")
    bad_version("impossible_date_order:valid_from/valid_to", 4, valid_to="2025-02-01")
    bad_version("unparsable:valid_from", 5, valid_from="31.02.2025")
    bad_version("unparsable:amount", 6, amount="forty-nine")
    bad_version("missing_value:amount", 7, amount="")
    bad_version("unparsable:auto_renews", 8, auto_renews="perhaps")
    _duplicate(book, "subscriptions", next(r for r in book.tables["subscriptions"] if r["account_id"] == b))
    shopper = next(account for account in accounts if account.model == "b2c_shop").account_id
    order = dict(account_id=shopper, ordered_at="2025-05-05 10:00:00", amount="40.00", currency="EUR")
    book.add_dirty("orders", "negative:amount", **{**order, "order_id": "O9001", "amount": "-40.00"})
    book.add_dirty(
        "orders", "unparsable:ordered_at", **{**order, "order_id": "O9002", "ordered_at": "2025-02-30 10:00:00"}
    )
    book.add_dirty("orders", "unknown_account", **{**order, "order_id": "O9003", "account_id": "A998"})
    invoice = dict(account_id=a, issued_on="2025-06-01", due_on="2025-06-15", amount="99.00", currency="EUR")
    invoice["status"] = "paid"
    book.add_dirty("invoices", "not_in_list:status", **{**invoice, "invoice_id": "I90001", "status": "settled"})
    book.add_dirty("invoices", "unparsable:amount", **{**invoice, "invoice_id": "I90002", "amount": "1.234,56"})
    book.add_dirty(
        "invoices",
        "impossible_date_order:issued_on/due_on",
        **{**invoice, "invoice_id": "I90003", "due_on": "2025-05-01"},
    )
    use = dict(account_id=c, used_on="2025-04-04", feature="export", quantity="3")
    book.add_dirty("usage_daily", "negative:quantity", **{**use, "quantity": "-3"})
    book.add_dirty("usage_daily", "unparsable:used_on", **{**use, "used_on": "2025-02-30"})
    book.add_dirty("usage_daily", "unknown_account", **{**use, "account_id": "A997"})
    book.add_dirty("usage_daily", "missing_key", **{**use, "feature": "", "used_on": "2025-04-05"})
    for row in book.tables["usage_daily"][100:102]:
        _duplicate(book, "usage_daily", row)
    event = dict(account_id=a, event_name="download", feature="guide", occurred_at="2026-02-10 10:00:00")
    book.add_dirty(
        "usage_events",
        "event_after_recorded",
        **{**event, "event_id": "E9001", "occurred_at": "2026-03-10 10:00:00", "recorded_at": "2026-02-10 10:00:00"},
    )
    book.add_dirty("usage_events", "unknown_account", **{**event, "event_id": "E9002", "account_id": "A996"})
    ticket = dict(account_id=a, contact_id=contact, opened_at="2025-08-04 09:00:00", priority="normal")
    book.add_dirty(
        "support_tickets",
        "impossible_date_order:opened_at/resolved_at",
        **{**ticket, "ticket_id": "K9001", "resolved_at": "2025-08-01 09:00:00"},
    )
    book.add_dirty("support_tickets", "missing_value:opened_at", **{**ticket, "ticket_id": "K9002", "opened_at": ""})
    survey = dict(account_id=a, survey="nps", sent_at="2025-09-01 09:00:00", responded_at="2025-09-02 09:00:00")
    book.add_dirty("survey_responses", "not_in_list:survey", **{**survey, "response_id": "R9001", "survey": "ces"})
    book.add_dirty("survey_responses", "unparsable:score", **{**survey, "response_id": "R9002", "score": "nine"})
    mail = dict(account_id=a, contact_id=contact, channel="email", purpose="service", sent_at="2025-09-01 09:00:00")
    book.add_dirty("messages", "not_in_list:channel", **{**mail, "message_id": "M9001", "channel": "fax"})
    book.add_dirty(
        "messages",
        "impossible_date_order:sent_at/clicked_at",
        **{**mail, "message_id": "M9002", "clicked_at": "2025-08-31 09:00:00"},
    )
    book.add_dirty(
        "contacts",
        "unknown_account",
        contact_id="C9002",
        account_id="A995",
        full_name="Ola Harlan",
        created_at="2025-01-01 08:00:00",
    )
    book.add_dirty("contact_roles", "not_in_list:role", contact_id=contact, role="boss", valid_from="2025-01-01")
    book.add_dirty("contact_roles", "unknown_contact", contact_id="C9999", role="user", valid_from="2025-01-01")
    book.add_dirty(
        "fx_rates", "unparsable:rate", currency="USD", quote_currency="EUR", rate_on="2025-03-02", rate="n/a"
    )


def _duplicate(book: Book, entity: str, row: Row) -> None:
    """The same row twice: one of the two is quarantined."""
    copy = dict(row)
    book.tables[entity].append(copy)
    book.dirty.append({"entity": entity, "reason": "duplicate", "row": copy})


# --------------------------------------------------------------------------------------------------------------------
# The truth
# --------------------------------------------------------------------------------------------------------------------
def _in_force(account: Account, day: date) -> list[Version]:
    """The paid versions in force on a day (metrics.md sections 1 and 2), as known at the as-of date."""
    last: dict[str, Version] = {}
    for version in account.versions:
        if version.valid_from <= day and version.valid_from != version.valid_to:
            seen = last.get(version.subscription_id)
            if seen is None or seen.valid_from < version.valid_from:
                last[version.subscription_id] = version
    return [
        v for v in last.values() if not v.is_trial and (v.valid_to is None or v.valid_to > AS_OF or day < v.valid_to)
    ]


def tell_truth(book: Book, accounts: Sequence[Account], merged: Mapping[str, str]) -> None:
    """Counts what became of the planted parameters, from the drawn histories and not from any model."""
    survivors = [a for a in accounts if not a.is_test and a.account_id not in merged]
    absorbed: dict[str, list[Account]] = defaultdict(list)
    for account in accounts:
        if account.account_id in merged:
            absorbed[merged[account.account_id]].append(account)
    boundaries = [*firsts(START, AS_OF), AS_OF]
    sizes: dict[str, Counter[str]] = defaultdict(Counter)
    terms: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: Counter[str] = Counter()
    churned_by_month: Counter[str] = Counter()
    returners, joined_and_left, left_and_returned = [], [], []
    for account in survivors:
        parts = [account, *absorbed[account.account_id]]
        active = [[v for part in parts for v in _in_force(part, day)] for day in boundaries]
        was_active = False
        for index, month in enumerate(boundaries[:-1]):
            now, then = active[index], active[index + 1]
            if now:
                was_active = True
                main = min(now, key=lambda v: (-v.mrr, v.subscription_id))
                size = account.size_at(month) if account.sizes else "unknown"
                for counter in (sizes[size], terms[str(main.term)]):
                    counter["customers_at_start"] += 1
                    counter["customers_churned"] += not then
                if not then:
                    churned_by_month[text(month)] += 1
                    end = max(
                        v.valid_to
                        for part in parts
                        for v in part.versions
                        if v.valid_to and not v.is_trial and month < v.valid_to <= boundaries[index + 1]
                    )
                    reasons[_reason_known(book, account, end)] += 1
                for day in (s.end for s in account.spells):
                    if day and then and month < day < boundaries[index + 1]:
                        left_and_returned.append(account.account_id)
            elif then and was_active:
                returners.append({"account_id": account.account_id, "month_start": text(month)})
            elif not then:
                for spell in account.spells:
                    if spell.end and month < spell.start and spell.end < boundaries[index + 1]:
                        joined_and_left.append(account.account_id)
    book.truth["churn_by_company_size"] = {
        "note": "all complete months together; customers without a size are 'unknown'",
        "monthly_risk_on_a_yearly_term": SIZE_RISK,
        "expected_monthly_rate": _expected(survivors, lambda d: d.size or "unknown", sizes),
        "realised": {size: dict(counter) for size, counter in sorted(sizes.items())},
    }
    book.truth["churn_by_contract_length"] = {
        "note": "keys are contract_term_months; consumers are on terms of one month",
        "risk_factor": {str(term): factor for term, factor in TERM_FACTOR.items()},
        "expected_monthly_rate": _expected(survivors, lambda d: str(d.term), terms),
        "realised": {term: dict(counter) for term, counter in sorted(terms.items())},
    }
    book.truth["champion"] = _champion_truth(survivors)
    book.truth["hazard_b2c_subscription"] = _hazard_truth(survivors)
    voluntary = [
        spell
        for account in survivors
        for spell in account.spells
        if spell.cause in ("voluntary", "champion") and spell.end is not None and spell.end <= AS_OF
    ]
    book.truth["reasons"] = {
        "weights": REASONS,
        "share_without_cancellation_row": NO_CANCELLATION_ROW,
        "share_payment_failure": INVOLUNTARY,
        "voluntary": {
            "churns": len(voluntary),
            "without_cancellation_row": sum(not s.has_cancellation for s in voluntary),
        },
        "realised": dict(sorted(reasons.items())),
    }
    book.truth["churned_by_month"] = dict(churned_by_month)
    book.truth["returners"] = sorted(returners, key=lambda r: (r["month_start"], r["account_id"]))
    book.truth["joined_and_left"] = sorted(set(joined_and_left))
    book.truth["left_and_returned"] = sorted(set(left_and_returned))


def _reason_known(book: Book, account: Account, end: date) -> str:
    """The latest cancellation asked for by then; else an invoice never paid; else unknown."""
    asked = [
        (row["requested_on"], row["reason_code"])
        for row in book.tables["cancellations"]
        if row["account_id"] == account.account_id and row["requested_on"] <= text(end)
    ]
    if asked:
        return max(asked)[1]
    long_due = text(min(end, AS_OF - timedelta(60)))
    unpaid = any(
        row["account_id"] == account.account_id and row["status"] == "failed" and row["due_on"] <= long_due
        for row in book.tables["invoices"]
    )
    return "payment_failure" if unpaid else "unknown"


def _expected(accounts: Iterable[Account], key: Any, realised: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """Sum of the planted probabilities over the months customers were at risk, per month at risk."""
    total: dict[str, float] = defaultdict(float)
    for account in accounts:
        for decision in account.decisions:
            if decision.on <= AS_OF:
                total[key(decision)] += decision.probability
        for departure in account.departures:
            known = [day for day in departure.candidates if day <= AS_OF]
            if departure.on < AS_OF and departure.candidates:
                share = CHAMPION_LEFT_CHURN * len(known) / len(departure.candidates)
                total[key(Decision(departure.on, share, account.size_at(departure.on), account.term))] += share
    return {
        segment: round(total[segment] / counter["customers_at_start"], 5)
        for segment, counter in sorted(realised.items())
    }


def _champion_truth(accounts: Iterable[Account]) -> dict[str, Any]:
    left: Counter[str] = Counter()
    stayed: Counter[str] = Counter()
    planted = 0.0
    for account in accounts:
        if account.model != "b2b_contract":
            continue
        windows = [(d.on, add_months(d.on, CHAMPION_WINDOW_MONTHS)) for d in account.departures]
        for departure, (_, until) in zip(account.departures, windows, strict=True):
            if until <= AS_OF:
                left["departures"] += 1
                left["churned_within_window"] += departure.exits
        for spell in account.spells:
            for on in firsts(add_months(spell.start, 1), min(spell.end or AS_OF, AS_OF) + timedelta(1)):
                if not any(since < on <= until for since, until in windows):
                    stayed["account_months"] += 1
                    stayed["churned"] += on == spell.end
        planted += sum(d.probability for d in account.decisions if d.on <= AS_OF)
    return {
        "note": "left: churned within six months of contacts.left_at of a champion or decision maker, departures whose "
        "six months are over; stayed: churn per account-month outside such windows, compounded to six months",
        "window_months": CHAMPION_WINDOW_MONTHS,
        "left": {"parameter": CHAMPION_LEFT_CHURN, **left},
        "stayed": {
            "parameter": CHAMPION_STAYED_CHURN,
            "expected_given_exposure": round(1 - (1 - planted / stayed["account_months"]) ** 6, 5),
            **stayed,
        },
    }


def _hazard_truth(accounts: Iterable[Account]) -> dict[str, Any]:
    at_risk: Counter[int] = Counter()
    churned: Counter[int] = Counter()
    for account in accounts:
        if account.model != "b2c_subscription" or not account.spells or account.spells[0].start >= AS_OF:
            continue
        spell = account.spells[0]
        ended = spell.end is not None and spell.end <= AS_OF
        end = spell.end if ended and spell.end else AS_OF
        tenure = next(n for n in range(1, 60) if add_months(spell.start, n) >= end)
        for month in range(1, tenure + 1):
            at_risk[month] += 1
        churned[tenure] += ended
    return {
        "note": "first spell, tenure month n ends n months after the first paid day; the last parameter holds on",
        "parameter": {str(n): B2C_HAZARD[min(n, len(B2C_HAZARD)) - 1] for n in sorted(at_risk)},
        "realised": {str(n): {"at_risk": at_risk[n], "churned": churned[n]} for n in sorted(at_risk)},
    }


# --------------------------------------------------------------------------------------------------------------------
# All together
# --------------------------------------------------------------------------------------------------------------------
SORT_KEYS = {"usage_daily": ["account_id", "used_on", "feature", "contact_id"]}


def make_demo() -> Book:
    """The whole demo in memory."""
    book = Book()
    accounts = make_accounts()
    for account in accounts:
        assign_managers(account)
        make_contacts(book, account)
        if account.model != "b2c_shop":
            make_versions(book, account)
    zombies = mark_zombies(accounts)
    signals: dict[str, dict[str, int]] = {}
    for account in accounts:
        make_episodes(account, signals)
    merged = make_merges(book, accounts)
    accounts += make_test_accounts(book)
    write_company_tables(book)
    write_people(book, accounts)
    newsletter = {row["contact_id"] for row in book.tables["consents"] if row["purpose"] == "newsletter"}
    for account in accounts:
        if account.model == "b2c_shop":
            write_shop(book, account)
        else:
            write_usage(book, account)
            write_tickets(book, account)
            write_surveys(book, account)
            write_milestones(book, account)
            write_invoices(book, account)
        write_messages(book, account, newsletter)
    write_accounts(book, accounts)
    for row in book.tables["accounts"]:
        row["merged_into"] = merged.get(row["account_id"], "")
    write_subscriptions(book, accounts)
    write_cancellations(book, accounts)
    real = [a for a in accounts if not a.is_test]
    book.truth = {
        "seed": SEED,
        "as_of_date": text(AS_OF),
        "exported_on": text(EXTRACT),
        "customers": dict(sorted(Counter(a.model for a in real).items())),
        "test_accounts": [a.account_id for a in accounts if a.is_test],
        "merged": merged,
        "trial_only": [a.account_id for a in real if a.trial_days and not a.spells],
        "trials_converted": [a.account_id for a in real if a.trial_days and a.spells],
        "paused": sorted({v.account_id for a in real for v in a.versions if v.is_paused}),
        "same_day_switches": [{"account_id": a.account_id, "on": text(day)} for a in real for day in a.switches],
        "notice_pending": sorted(
            {
                a.account_id
                for a in real
                for v in a.versions
                if v.notice and v.notice < AS_OF and (v.valid_to or AS_OF) > AS_OF
            }
        ),
        "discount_dependent": [a.account_id for a in real if a.discount_dependent],
        "complaining": [a.account_id for a in real if a.complains],
        "zombies": zombies,
    }
    tell_truth(book, accounts, merged)
    book.truth["signals"] = {
        signal: {"before_churn": SIGNALS[signal][0], "per_quarter_otherwise": SIGNALS[signal][1], **counts}
        for signal, counts in sorted(signals.items())
    }
    book.truth["episodes"] = {
        signal: [
            f"{a.account_id} {text(episode.start)} {text(episode.stop)}" for a in real for episode in a.episodes[signal]
        ]
        for signal in sorted(signals)
    }
    book.truth["noise_signal"] = {"newsletter_unsubscribe_per_message": NEWSLETTER_UNSUBSCRIBE}
    book.truth["parameters"] = {
        "survey_response_rate": SURVEY_RESPONSE,
        "offer_accepted_by_occasion": OFFER_ACCEPTED,
        "win_back_return": WIN_BACK_RETURN,
        "onboarding_completed": ONBOARDED,
        "newsletter_click": {"weekend_3_to_6": WEEKEND_CLICK, "weekday": WEEKDAY_CLICK},
    }
    book.truth["subscriptions"] = plant_versions(book, accounts)
    book.truth["others"] = plant_others(book, accounts)
    plant_dirty_rows(book, accounts)
    book.truth["shop_back_after_a_year"] = book.back_after_a_year
    book.truth["superseded"] = dict(sorted(book.superseded.items()))
    book.truth["dirty_rows"] = [
        {"entity": d["entity"], "reason": d["reason"], "row": {k: v for k, v in d["row"].items() if v}}
        for d in book.dirty
    ]
    return book


def _json_lines(truth: Mapping[str, Any]) -> str:
    """JSON with one line per fact, so that a change of the demo shows what it changed."""
    blocks = []
    for name, value in truth.items():
        if isinstance(value, dict):
            inner = [f"  {json.dumps(key)}: {json.dumps(item, ensure_ascii=False)}" for key, item in value.items()]
            blocks.append(f"{json.dumps(name)}: {{\n" + ",\n".join(inner) + "\n }")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            inner = [f"  {json.dumps(item, ensure_ascii=False)}" for item in value]
            blocks.append(f"{json.dumps(name)}: [\n" + ",\n".join(inner) + "\n ]")
        else:
            blocks.append(f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}")
    return "{\n " + ",\n ".join(blocks) + "\n}\n"


def write_demo(folder: Path) -> dict[str, int]:
    """Writes the demo into a folder; returns the number of rows per entity."""
    book = make_demo()
    folder.mkdir(parents=True, exist_ok=True)
    for entity, rows in book.tables.items():
        columns = COLUMNS[entity]
        keys = SORT_KEYS.get(entity, columns)
        with (folder / f"demo_{entity}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(sorted(rows, key=lambda row: [row[key] for key in keys]))
    (folder / "planted_truth.json").write_text(_json_lines(book.truth), encoding="utf-8")
    return {entity: len(rows) for entity, rows in book.tables.items()}


if __name__ == "__main__":
    target = Path(__file__).resolve().parents[1] / "seeds" / "demo"
    for entity, count in write_demo(target).items():
        print(f"{count:>7} {entity}")
