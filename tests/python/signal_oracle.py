"""The second opinion on early warning: every signal of every account on every day, in plain Python.

For a day g it takes the rows that were visible on g (`Seen`) and computes each signal from them alone, by going through
the rows; nothing is carried from one day to the next but which data the whole base has ever shown, and, for episodes,
whether the signal was fired the day before. What is known of contracts, rates and spells comes from the oracle of the
retention metrics, asked as of g. Values are fractions, so that a threshold is met exactly or not. Readings taken where
the definitions leave room stand in the docstrings.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from oracle import (
    DAY,
    FAR,
    ZERO,
    Account,
    Inputs,
    Options,
    Rates,
    Row,
    Version,
    add_months,
    known_rows,
    money,
    paid_versions,
)

SIGNALS_CSV = Path(__file__).resolve().parents[2] / "seeds" / "reference" / "signals.csv"

# Of each entity: its key, the column it is known by, and whether it is known from the moment before (in force from a
# day on) or from its event on.
ENTITIES: dict[str, tuple[list[str], str, str]] = {
    "subscriptions": (["subscription_id", "valid_from"], "valid_from", "before"),
    "plans": (["plan", "valid_from"], "valid_from", "before"),
    "contacts": (["contact_id"], "created_at", "event"),
    "contact_roles": (["contact_id", "role", "valid_from"], "valid_from", "before"),
    "cancellations": (["cancellation_id"], "requested_on", "event"),
    "invoices": (["invoice_id"], "issued_on", "event"),
    "orders": (["order_id"], "ordered_at", "event"),
    "usage_events": (["event_id"], "occurred_at", "event"),
    "usage_daily": (["account_id", "contact_id", "used_on", "feature"], "used_on", "event"),
    "support_tickets": (["ticket_id"], "opened_at", "event"),
    "survey_responses": (["response_id"], "sent_at", "event"),
    "messages": (["message_id"], "sent_at", "event"),
    "milestones": (["milestone_id"], "occurred_at", "event"),
}
# Columns that are facts of their own: visible from the day after theirs; dates that end something from their day on.
FACTS = {
    "contacts": ["left_at"],
    "invoices": ["paid_on"],
    "support_tickets": ["first_response_at", "resolved_at"],
    "survey_responses": ["responded_at"],
    "messages": ["opened_at", "clicked_at", "converted_at", "unsubscribed_at"],
}
ENDS = {"subscriptions": ["valid_to", "notice_given_on"], "contact_roles": ["valid_to"]}
USAGE = ("usage_events", "usage_daily")
# What tickets tell only where the base fills in the column.
TOLD_BY_TICKETS = {
    "first response": "first_response_at",
    "complaint flag": "is_complaint",
    "resolution": "resolved_at",
}


class Unstated:
    """A baseline that the definitions do not name: whatever the model says there is not compared."""

    def __repr__(self) -> str:
        return "unstated"


UNSTATED = Unstated()


@dataclass(frozen=True)
class Signal:
    """One row of the seed."""

    name: str
    is_above: bool
    threshold: Fraction
    clear: Fraction
    confirm: int
    hold: int
    lapses_at: Fraction | None
    window: int
    before: int  # baseline_days
    minimum: Fraction  # minimum_baseline

    def fires(self, value: Fraction) -> bool:
        if self.lapses_at is not None and value >= self.lapses_at:
            return False
        return value >= self.threshold if self.is_above else value <= self.threshold

    def is_over(self, value: Fraction) -> bool:
        if self.lapses_at is not None and value >= self.lapses_at:
            return True
        return value < self.clear if self.is_above else value > self.clear


@dataclass(frozen=True)
class Reading:
    """A signal of an account on a day. A value of None with data: there is nothing to compare, or it never happened."""

    has_data: bool
    value: Fraction | None = None
    baseline: Fraction | Unstated | None = UNSTATED


NO_DATA = Reading(False)


@dataclass(frozen=True)
class Episode:
    account_id: str
    signal: str
    fired_from: dt.date
    fired_to: dt.date
    end_cause: str

    @property
    def episode_id(self) -> str:
        return hashlib.md5(f"{self.account_id}|{self.signal}|{self.fired_from}".encode()).hexdigest()


@dataclass(frozen=True)
class SignalOptions(Options):
    """What a build is for, with the choices that only early warning knows."""

    churn_lead_days: int = 30
    churn_horizon_days: int = 90


def read_signals(path: Path = SIGNALS_CSV) -> dict[str, Signal]:
    with path.open(newline="", encoding="utf-8") as file:
        return {
            row["signal"]: Signal(
                name=row["signal"],
                is_above=row["direction"] == "above",
                threshold=Fraction(row["threshold"]),
                clear=Fraction(row["clear_threshold"]),
                confirm=int(row["confirm_days"]),
                hold=int(row["hold_days"]),
                lapses_at=Fraction(row["lapses_at"]) if row["lapses_at"] else None,
                window=int(row["window_days"] or 0),
                before=int(row["baseline_days"] or 0),
                minimum=Fraction(row["minimum_baseline"] or 0),
            )
            for row in csv.DictReader(file)
        }


# --- what is visible on a day --------------------------------------------------------------------------------------


def without(row: Row, facts: Iterable[str]) -> dict[str, Any]:
    """What a row says before these facts have happened: nothing, and a status of paid is one with its day."""
    hidden: dict[str, Any] = dict.fromkeys(facts)
    if "paid_on" in hidden and row.get("status") == "paid":
        hidden["status"] = "open"
    return hidden


class Kept(dict[str, Any]):
    """A row whose columns that were not given are None."""

    def __missing__(self, key: str) -> None:
        return None


@dataclass
class Told:
    """One row as it was told: from which day it is visible, and from which day each of its later facts is."""

    row: Kept
    known_at: dt.datetime
    known_from: dt.date
    happened: dt.date | None  # an event is seen from the day after it, however early it was recorded
    facts: list[tuple[str, dt.date]]
    _shown: dict[tuple[str, ...], Kept] = field(default_factory=dict)

    def on(self, day: dt.date) -> Kept:
        """The row without the facts that had not happened by then."""
        hidden = tuple(column for column, seen_from in self.facts if seen_from > day)
        if hidden not in self._shown:
            self._shown[hidden] = Kept(self.row, **without(self.row, hidden))
        return self._shown[hidden]


def known_at(row: Row, entity: str, options: Options) -> dt.datetime:
    """The moment a row became known."""
    _, column, knowledge = ENTITIES[entity]
    if row.get("recorded_at"):
        moment: dt.datetime = row["recorded_at"]
        return moment
    event = row.get(column)
    if event is None:
        return dt.datetime(1900, 1, 1)
    if isinstance(event, dt.datetime):
        return event
    midnight = options.utc(dt.datetime.combine(event, dt.time()))
    return midnight - dt.timedelta(seconds=1) if knowledge == "before" else midnight


def day_of(value: dt.date | dt.datetime, options: Options) -> dt.date:
    return options.local_day(value) if isinstance(value, dt.datetime) else value


class Seen:
    """The rows visible on a day, by entity and by the account they count for."""

    def __init__(self, oracle: SignalOracle, day: dt.date) -> None:
        self.day = day
        self._rows: dict[str, dict[str, list[dict[str, Any]]]] = {}
        contacts: dict[str, str] = {}
        for entity, keys in oracle.told.items():
            by_account: dict[str, list[dict[str, Any]]] = defaultdict(list)
            self._rows[entity] = by_account
            for versions in keys:
                newest = next((told for told in reversed(versions) if told.known_from <= day), None)
                if newest is None or newest.row.get("is_deleted"):
                    continue
                if newest.happened is not None and newest.happened >= day:
                    continue
                row = newest.on(day)
                if entity == "plans":
                    by_account[""].append(row)
                    continue
                # a role counts for the account of its contact
                account = contacts.get(row["contact_id"]) if entity == "contact_roles" else row["account_id"]
                if account is not None and oracle.account_known_from.get(account, FAR) <= day:
                    if entity == "contacts":
                        contacts[row["contact_id"]] = account
                    by_account[oracle.resolved[account]].append(row)

    def rows(self, entity: str, account_id: str = "") -> list[dict[str, Any]]:
        return self._rows[entity].get(account_id, [])

    def of_all(self, entity: str) -> Iterable[tuple[str, dict[str, Any]]]:
        for account_id, rows in self._rows[entity].items():
            for row in rows:
                yield account_id, row


@dataclass(frozen=True)
class Use:
    day: dt.date
    quantity: Fraction
    contact_id: str | None
    feature: str | None
    is_login: bool


def use_of(row: Row) -> Use:
    """A row of either usage entity. Where nothing says what happened, the feature `login` is a log-in."""
    quantity = row.get("quantity")
    name = row.get("event_name")
    return Use(
        day=row["day:occurred_at"] if "occurred_at" in row else row["used_on"],
        quantity=Fraction(1 if quantity is None else quantity),
        contact_id=row.get("contact_id"),
        feature=row.get("feature"),
        is_login=name == "login" or (name is None and row.get("feature") == "login"),
    )


@dataclass(frozen=True)
class CustomerDay:
    """An account on a day on which it is a customer, as known on that day."""

    relationship: str  # contract | no_contract
    since: dt.date  # first day of the stretch


# --- the oracle ----------------------------------------------------------------------------------------------------


@dataclass
class SignalOracle:
    """All signals of one set of inputs, on every day up to the as-of date."""

    inputs: Inputs
    options: SignalOptions
    signals: Mapping[str, Signal] = field(default_factory=read_signals)

    def __post_init__(self) -> None:
        # account -> day -> customer; account -> signal -> day -> reading
        self.customers: dict[str, dict[dt.date, CustomerDay]] = defaultdict(dict)
        self.readings: dict[str, dict[str, dict[dt.date, Reading]]] = defaultdict(lambda: defaultdict(dict))
        self._windows: list[dict[str, Any]] = []
        self._service: list[dict[str, Any]] = []
        self._dates: list[dict[str, Any]] = []
        # kinds of data that the base (or the accounts of one business model) has shown by the day looked at
        self._shown: set[tuple[str, str | None]] = set()
        self._versions: dict[dt.date, dict[str, list[Version]]] = {}
        self._walk()

    # --- accounts and rows ------------------------------------------------------------------------------------------

    @cached_property
    def account_rows(self) -> dict[str, Row]:
        """The accounts as known on the as-of date: attributes and merges have no past."""
        known = known_rows(self.inputs["accounts"], ["account_id"], "acquired_on", self.options)
        return {row["account_id"]: row for row in known}

    @cached_property
    def resolved(self) -> dict[str, str]:
        """Each account and the one it counts as. Test accounts are left out."""
        found = {}
        for account_id in self.account_rows:
            survivor = account_id
            while self.account_rows[survivor].get("merged_into"):
                survivor = self.account_rows[survivor]["merged_into"]
            if not self.account_rows[account_id].get("is_test") and not self.account_rows[survivor].get("is_test"):
                found[account_id] = survivor
        return found

    @cached_property
    def account_known_from(self) -> dict[str, dt.date]:
        """The first day on which an account was known: rows of an account not yet known are not yet known either."""
        found: dict[str, dt.date] = {}
        for row in self.inputs["accounts"]:
            if row["account_id"] in self.resolved:
                first = dt.date.min
                if row.get("recorded_at"):
                    first = self.options.local_day(row["recorded_at"]) + DAY
                elif row.get("acquired_on"):
                    first = row["acquired_on"]
                found[row["account_id"]] = min(first, found.get(row["account_id"], FAR))
        return found

    def business_model(self, account_id: str) -> str | None:
        model: str | None = self.account_rows[account_id].get("business_model")
        return model

    @cached_property
    def told(self) -> dict[str, list[list[Told]]]:
        """Of each entity and key everything that was told by the as-of date, in the order it was told."""
        found = {}
        for entity, (key, _, _) in ENTITIES.items():
            keys: dict[tuple[Any, ...], list[Told]] = defaultdict(list)
            for row in self.inputs.get(entity, ()):
                moment = known_at(row, entity, self.options)
                if moment < self.options.moment:
                    keys[tuple(row.get(column) for column in key)].append(self._told(row, entity, moment))
            for versions in keys.values():
                versions.sort(key=lambda told: told.known_at)
            found[entity] = list(keys.values())
        return found

    def _told(self, row: Row, entity: str, moment: dt.datetime) -> Told:
        _, event, knowledge = ENTITIES[entity]
        days = {
            f"day:{column}": self.options.local_day(value)
            for column, value in row.items()
            if isinstance(value, dt.datetime)
        }
        facts = []
        for column in FACTS.get(entity, []):
            if row.get(column) is not None:
                facts.append((column, day_of(row[column], self.options) + DAY))
        for column in ENDS.get(entity, []):
            if row.get(column) is not None:
                facts.append((column, row[column]))
        happened = None
        if knowledge == "event" and entity != "contacts" and row.get(event) is not None:
            happened = day_of(row[event], self.options)
        kept = Kept(row, **days)
        if entity in USAGE:
            kept["use"] = use_of(kept)
        known_day = self.options.local_day(moment)
        return Told(kept, moment, known_day + DAY, happened, facts)

    @cached_property
    def core_features(self) -> set[str]:
        return {row["feature"] for row in self.inputs.get("features", ()) if row.get("is_core")}

    # --- contracts as known on a day --------------------------------------------------------------------------------

    def versions_on(self, day: dt.date) -> dict[str, list[Version]]:
        """Per account the paid versions as known on a day."""
        if day not in self._versions:
            accounts = {source: to for source, to in self.resolved.items() if self.account_known_from[source] <= day}
            found = defaultdict(list)
            for version in paid_versions(self.inputs.get("subscriptions", ()), accounts, self._as_of(day)):
                found[version.account_id].append(version)
            self._versions[day] = found
        return self._versions[day]

    def _as_of(self, day: dt.date) -> Options:
        return Options(
            day,
            (),
            reporting_currency=self.options.reporting_currency,
            reporting_time_zone=self.options.reporting_time_zone,
            fx_max_age_days=self.options.fx_max_age_days,
        )

    def relationship(self, account_id: str, seen: Seen) -> str | None:
        """Under contract while a paid version is in force; without one after a first purchase, as long as no contract
        has begun. None: not a customer."""
        versions = self.versions_on(seen.day)[account_id]
        if any(version.in_force(seen.day) for version in versions):
            return "contract"
        if any(version.start <= seen.day for version in versions):
            return None
        return "no_contract" if seen.rows("orders", account_id) else None

    def spell_start(self, account_id: str, day: dt.date) -> dt.date:
        """First day of the paid service that runs on a day, as known on it."""
        versions = self.versions_on(day)[account_id]
        while any(version.in_force(day - DAY) for version in versions):
            day -= DAY
        return day

    def version_rows(self, account_id: str, seen: Seen, wanted: Callable[[Version], bool]) -> list[dict[str, Any]]:
        """The rows of the paid versions wanted."""
        versions = self.versions_on(seen.day)[account_id]
        keys = {(version.subscription_id, version.start) for version in versions if wanted(version)}
        rows = seen.rows("subscriptions", account_id)
        return [row for row in rows if (row["subscription_id"], row["valid_from"]) in keys]

    def first_paid_on(self, account_id: str, day: dt.date) -> dt.date:
        return min(version.start for version in self.versions_on(day)[account_id])

    # --- the walk through the days ----------------------------------------------------------------------------------

    @cached_property
    def days(self) -> list[dt.date]:
        """Every day from the first row's on to the as-of date."""
        first = self.options.as_of
        for entity, (_, column, _) in ENTITIES.items():
            for row in self.inputs.get(entity, ()):
                if row.get(column) is not None:
                    first = min(first, day_of(row[column], self.options))
        return [first + n * DAY for n in range((self.options.as_of - first).days + 1)]

    @cached_property
    def grid(self) -> set[dt.date]:
        """Month starts, the as-of date and 30 days before it."""
        return {day for day in self.days if day.day == 1 or self.options.as_of - day in (0 * DAY, 30 * DAY)}

    def _walk(self) -> None:
        for day in self.days:
            seen = Seen(self, day)
            self._note_what_is_shown(seen)
            for account_id in sorted(set(self.resolved.values())):
                relationship = self.relationship(account_id, seen)
                if relationship is None:
                    continue
                before = self.customers[account_id].get(day - DAY)
                goes_on = before is not None and before.relationship == relationship
                since = before.since if goes_on and before is not None else day
                customer = CustomerDay(relationship, since)
                self.customers[account_id][day] = customer
                facts = Facts(self, seen, account_id, customer)
                for name in self.signals:
                    self.readings[account_id][name][day] = getattr(facts, name)(self.signals[name])
                if day in self.grid:
                    self._dates.append(self._customer_date(facts))
                    if relationship == "contract":
                        self._windows += facts.usage_window()
                        self._service.append(facts.service_window())

    def shows(self, kind: str, model: str | None = None) -> bool:
        """Whether the base, or its accounts of a business model, has shown such data by the day looked at."""
        return (kind, model) in self._shown

    def _note_what_is_shown(self, seen: Seen) -> None:
        """Once data of a kind have been seen, they are there: a correction of the first row does not undo it."""

        def note(kind: str, account_id: str) -> None:
            self._shown.add((kind, None))
            self._shown.add((kind, self.business_model(account_id)))

        for entity in USAGE:
            for account_id, row in seen.of_all(entity):
                note("usage", account_id)
                note("life", account_id)
                if row["use"].contact_id is not None:
                    note("use by contact", account_id)
                if row["use"].is_login:
                    note("login", account_id)
                if row["use"].feature in self.core_features:
                    note("core", account_id)
        for account_id, row in seen.of_all("support_tickets"):
            note("tickets", account_id)
            note("life", account_id)
            for kind, column in TOLD_BY_TICKETS.items():
                if row[column] is not None:
                    note(kind, account_id)
        for account_id, row in seen.of_all("survey_responses"):
            if row["responded_at"] is not None:
                note("life", account_id)
        for account_id, row in seen.of_all("messages"):
            if row["channel"] == "email":
                note("e-mails", account_id)
            if any(row[column] is not None for column in ("opened_at", "clicked_at", "converted_at")):
                note("life", account_id)
        for account_id, _ in seen.of_all("orders"):
            note("life", account_id)
        for account_id, row in seen.of_all("milestones"):
            note("life", account_id)
            if row["milestone"] == "onboarding_completed":
                note("onboarding", account_id)
        for account_id, _ in seen.of_all("cancellations"):
            note("notice", account_id)
        for account_id, row in seen.of_all("subscriptions"):
            if row["notice_given_on"] is not None:
                note("notice", account_id)
        for account_id, row in seen.of_all("invoices"):
            if row.get("due_on") is not None:
                note("due dates", account_id)

    # --- fired or not -----------------------------------------------------------------------------------------------

    @cached_property
    def episodes(self) -> list[Episode]:
        """Every stretch of days on which a signal was fired.

        A stretch as a customer starts not fired. Fired from the first day on which the value fires and did on the
        confirm days before it (of the stretch), until the customer leaves, the value is unknown, or it has been over
        for hold days: from the first day e on which it was over, if it did not fire on any day up to e + hold (days in
        between the thresholds do not matter), fired no more on e + hold. At lapses_at a value is over, however bad."""
        found = []
        for account_id, days in sorted(self.customers.items()):
            for name, signal in self.signals.items():
                readings = self.readings[account_id][name]
                fired_from: dt.date | None = None
                over_since: dt.date | None = None
                fires_since: dt.date | None = None
                for day in sorted(days):
                    if fired_from is not None and days[day].since == day:  # another stretch has begun
                        left = next(d for d in _after(fired_from) if d not in days or days[d].since == d)
                        found.append(Episode(account_id, name, fired_from, left, "left"))
                        fired_from = None
                    value = readings[day].value
                    fires = value is not None and signal.fires(value)
                    if not fires:
                        fires_since = None
                    elif fires_since is None or days[day].since == day:
                        fires_since = day
                    if fired_from is None:
                        if fires_since is not None and day - fires_since >= signal.confirm * DAY:
                            fired_from, over_since = day, None
                        continue
                    is_cleared = value is None
                    if fires:
                        over_since = None
                    elif value is not None and signal.is_over(value) and over_since is None:
                        over_since = day
                    if over_since is not None and day - over_since >= signal.hold * DAY:
                        is_cleared = True
                    if is_cleared:
                        found.append(Episode(account_id, name, fired_from, day, "cleared"))
                        fired_from = None
                if fired_from is not None:
                    if self.options.as_of in days:
                        found.append(Episode(account_id, name, fired_from, FAR, "running"))
                    else:
                        found.append(Episode(account_id, name, fired_from, max(days) + DAY, "left"))
        return found

    @cached_property
    def states(self) -> list[dict[str, Any]]:
        """Every grid date, customer and signal."""
        episodes = defaultdict(list)
        for episode in self.episodes:
            episodes[episode.account_id, episode.signal].append(episode)
        found = []
        for account_id, days in self.customers.items():
            for day in sorted(self.grid & days.keys()):
                for name in self.signals:
                    reading = self.readings[account_id][name][day]
                    running = [e for e in episodes[account_id, name] if e.fired_from <= day < e.fired_to]
                    found.append(
                        {
                            "grid_date": day,
                            "account_id": account_id,
                            "signal": name,
                            "has_data": reading.has_data,
                            "value": reading.value,
                            "baseline": reading.baseline,
                            "is_fired": bool(running),
                            "fired_since": running[0].fired_from if running else None,
                            "episode_id": running[0].episode_id if running else None,
                        }
                    )
        return found

    # --- customers, labels and windows ------------------------------------------------------------------------------

    @property
    def customer_dates(self) -> list[dict[str, Any]]:
        return self._dates

    @property
    def usage_windows(self) -> list[dict[str, Any]]:
        return self._windows

    @property
    def service_windows(self) -> list[dict[str, Any]]:
        return self._service

    def _customer_date(self, facts: Facts) -> dict[str, Any]:
        """One row of int_customer_dates. Plan and intervals are those of the subscription with the largest MRR (tie:
        the lowest id), as everywhere. Tenure counts from the first paid day; without a contract from the first day as
        a customer."""
        day, account_id, customer = facts.day, facts.account_id, facts.customer
        row: dict[str, Any] = {
            "grid_date": day,
            "is_month_start": day.day == 1,
            "is_as_of": day == self.options.as_of,
            "is_delta": day == self.options.as_of - 30 * DAY,
            "account_id": account_id,
            "relationship": customer.relationship,
            "business_model": self.business_model(account_id),
            "customer_since": customer.since,
        }
        if customer.relationship == "no_contract":
            names = (
                "first_paid_on", "mrr", "billing_interval_months", "contract_term_months", "discount_share", "seats",
                "plan", "known_end_on",
            )  # fmt: skip
            return {**row, **dict.fromkeys(names), "tenure_days": (day - customer.since).days}
        versions = self.versions_on(day)[account_id]
        rates = Rates(self.inputs.get("fx_rates", ()), self._as_of(day))
        account = Account(self.account_rows[account_id], (), versions, rates, self._as_of(day))
        holdings = account.holdings(day)
        largest = min(holdings.items(), key=lambda item: (-item[1].reporting, item[0]))[1].version
        first_paid = self.first_paid_on(account_id, day)
        return {
            **row,
            "first_paid_on": first_paid,
            "tenure_days": (day - first_paid).days,
            "mrr": account.mrr(day),
            "billing_interval_months": largest.interval,
            "contract_term_months": largest.term,
            "plan": largest.plan,
            "discount_share": self._discount_share(facts, account),
            "seats": self._seats(facts),
            "known_end_on": self.known_end(facts),
        }

    def _discount_share(self, facts: Facts, account: Account) -> Fraction | None:
        """What was given off the list price, as a share of it, over the subscriptions in force, in reporting currency.
        One without a list price, or paused, gives nothing."""
        given, paid = ZERO, ZERO
        for row in facts.running:
            holding = account.holdings(facts.day)[row["subscription_id"]]
            paid += holding.reporting
            listed = row.get("list_amount")
            if listed is not None and listed > row["amount"] and not row.get("is_paused"):
                quantity = row.get("quantity")
                off = money(
                    Decimal(listed) - Decimal(row["amount"]),
                    Decimal(1 if quantity is None else quantity),
                    by=Decimal(row["billing_interval_months"]),
                )
                given += money(off, holding.rate)
        return Fraction(given) / Fraction(given + paid) if given + paid else None

    def _seats(self, facts: Facts) -> Fraction:
        """Seats of each plan by the price list of the day, times the quantity; the quantity where it names none."""
        seats = Fraction(0)
        for row in facts.running:
            listed = [plan for plan in facts.seen.rows("plans") if plan["plan"] == row.get("plan")]
            listed = sorted((plan for plan in listed if plan["valid_from"] <= facts.day), key=lambda p: p["valid_from"])
            each = listed[-1].get("seats") if listed else None
            quantity = row.get("quantity")
            seats += Fraction(1 if quantity is None else quantity) * (1 if each is None else each)
        return seats

    def known_end(self, facts: Facts) -> dt.date | None:
        """The last of the ends known of the subscriptions in force, None where one has none. Of each the first of: the
        effective dates of cancellations; without a date, and with notice given, the end of the term; with no renewal of
        its own, the end of the contract where one ahead is stated."""
        ends = []
        for row in facts.running:
            found = []
            for cancellation in facts.cancellations():
                if cancellation.get("subscription_id") in (None, row["subscription_id"]):
                    found.append(cancellation["effective_on"])
            if row.get("notice_given_on") is not None:
                found.append(end_of_term(row, facts.day))
            stated = row.get("contract_end_on")
            if row.get("auto_renews") is False and stated is not None and stated > facts.day:
                found.append(stated)
            ends.append(min(found, default=None))
        return None if None in ends else max(ends)

    def churn_labels(self) -> list[dict[str, Any]]:
        """Every contract customer of a month start or the as-of date, and whether it left, as known at the end of the
        horizon. Churn: the end of a spell, unless the account is back by the next start of a month (or the end of the
        horizon)."""
        lead, horizon = self.options.churn_lead_days * DAY, self.options.churn_horizon_days * DAY
        found = []
        for row in self.customer_dates:
            day, account_id = row["grid_date"], row["account_id"]
            if row["relationship"] != "contract" or not (row["is_month_start"] or row["is_as_of"]):
                continue
            until = day + lead + horizon
            state, churned_on = "stayed", None
            if until > self.options.as_of:
                state = "open"
            else:
                versions = self.versions_on(until)[account_id]
                is_active = {d: any(v.in_force(d) for v in versions) for d in _between(day - DAY, until)}
                losses = []
                for end in _between(day + DAY, until):
                    month_start = next(d for d in _between(end, end + 31 * DAY) if d.day == 1)
                    if is_active[end - DAY] and not is_active[end] and not is_active[min(month_start, until)]:
                        losses.append(end)
                in_horizon = [end for end in losses if end > day + lead]
                if not is_active[day] or any(end <= day + lead for end in losses):
                    state = "left_in_lead"
                elif row["known_end_on"] is not None and row["known_end_on"] <= until:
                    state = "known_end"
                elif in_horizon:
                    state, churned_on = "churned", in_horizon[0]
            found.append(
                {
                    "grid_date": day,
                    "account_id": account_id,
                    "state": state,
                    "churned_on": churned_on if state == "churned" else UNSTATED,
                }
            )
        return found


def _after(day: dt.date) -> Iterable[dt.date]:
    while True:
        day += DAY
        yield day


def _between(first: dt.date, last: dt.date) -> Sequence[dt.date]:
    return [first + n * DAY for n in range((last - first).days + 1)]


def end_of_term(row: Row, day: dt.date) -> dt.date:
    """The end of the term that runs on a day: the end of the contract where it is stated and lies after the day, else
    the first end of a term after it, terms (else billing intervals) counted from the version's start."""
    stated: dt.date | None = row.get("contract_end_on")
    if stated is not None and stated > day:
        return stated
    months = row.get("contract_term_months") or row["billing_interval_months"]
    n = 1
    while add_months(row["valid_from"], n * months) <= day:
        n += 1
    return add_months(row["valid_from"], n * months)


# --- the signals ---------------------------------------------------------------------------------------------------


@dataclass
class Facts:
    """What was visible of one customer on one day, and its signals. One method per signal, named as it."""

    oracle: SignalOracle
    seen: Seen
    account_id: str
    customer: CustomerDay

    @property
    def day(self) -> dt.date:
        return self.seen.day

    def rows(self, entity: str) -> list[dict[str, Any]]:
        return self.seen.rows(entity, self.account_id)

    @cached_property
    def running(self) -> list[dict[str, Any]]:
        return self.oracle.version_rows(self.account_id, self.seen, lambda version: version.in_force(self.day))

    @cached_property
    def coming(self) -> list[dict[str, Any]]:
        """The rows of paid versions known to begin later."""
        return self.oracle.version_rows(self.account_id, self.seen, lambda version: version.start > self.day)

    @cached_property
    def uses(self) -> list[Use]:
        return [row["use"] for entity in USAGE for row in self.rows(entity)]

    @property
    def days_as_customer(self) -> int:
        return (self.day - self.customer.since).days

    def shows(self, kind: str) -> bool:
        return self.oracle.shows(kind)

    def model_shows(self, kind: str) -> bool:
        return self.oracle.shows(kind, self.oracle.business_model(self.account_id))

    def is_within(self, event: dt.date, days: int, until: int = 0) -> bool:
        """Whether a day lies in the window of so many days, that ends so many days ago."""
        end = self.day - until * DAY
        return end - days * DAY <= event < end

    def silent(self, last: dt.date | None) -> Fraction:
        """Complete days since then; since becoming a customer where that was later."""
        since = self.customer.since - DAY
        if last is not None:
            since = max(since, last)
        return Fraction((self.day - since).days - 1)

    # usage: a row with a quantity of 0 is no use

    def login_decline(self, signal: Signal) -> Reading:
        w, b = signal.window, signal.before
        logins = [use for use in self.uses if use.is_login]
        now = sum((use.quantity for use in logins if self.is_within(use.day, w)), Fraction(0))
        then = sum((use.quantity for use in logins if self.is_within(use.day, b, w)), Fraction(0))
        if not self.model_shows("login") or then < signal.minimum or self.days_as_customer < w + b:
            return NO_DATA
        return Reading(True, (now - then) / then, then)

    def core_unused(self, signal: Signal) -> Reading:
        if not self.model_shows("core"):
            return NO_DATA
        used = [use.day for use in self.uses if use.feature in self.oracle.core_features and use.quantity]
        return Reading(True, self.silent(max(used, default=None)))

    def breadth_shrinks(self, signal: Signal) -> Reading:
        w, b = signal.window, signal.before
        core = self.oracle.core_features
        used = [use for use in self.uses if use.quantity]
        secondary = [use for use in used if use.feature is not None and use.feature not in core and not use.is_login]
        now = len({use.feature for use in secondary if self.is_within(use.day, w)})
        then = len({use.feature for use in secondary if self.is_within(use.day, b, w)})
        if then < signal.minimum or self.days_as_customer < w + b:
            return NO_DATA
        if not any(self.is_within(use.day, w) for use in used if not core or use.feature in core):
            return Reading(True, None)
        return Reading(True, Fraction(now, then) - 1, Fraction(then))

    def power_user_silent(self, signal: Signal) -> Reading:
        """Those in the role and still there, who have used it themselves on enough days since the role began."""
        gone = {row["contact_id"] for row in self.rows("contacts") if row["left_at"] is not None}
        roles = [row for row in self.rows("contact_roles") if row["role"] == "power_user"]
        silences = []
        for contact in {row["contact_id"] for row in roles if holds(row, self.day)} - gone:
            own = {use.day for use in self.uses if use.contact_id == contact and use.quantity}
            began = min(row["valid_from"] for row in roles if row["contact_id"] == contact and holds(row, self.day))
            active = {d for d in own if d >= began}
            if len(active) >= signal.minimum:
                silences.append((self.day - max(own)).days - 1)
        return Reading(True, Fraction(max(silences))) if silences else NO_DATA

    def paid_unused(self, signal: Signal) -> Reading:
        if self.customer.relationship != "contract" or not self.model_shows("usage"):
            return NO_DATA
        return Reading(True, self.silent(max((use.day for use in self.uses if use.quantity), default=None)))

    # tickets

    def ticket_spike(self, signal: Signal) -> Reading:
        """A shorter customer's usual number comes from the days since it became one, not from what was before."""
        if not self.shows("tickets"):
            return NO_DATA
        w, b = signal.window, signal.before
        days = [row["day:opened_at"] for row in self.rows("support_tickets")]
        now = sum(self.is_within(day, w) for day in days)
        if self.days_as_customer < 2 * w:
            usual = Fraction(0)
        else:
            length = min(b, self.days_as_customer - w)
            usual = Fraction(sum(self.is_within(day, length, w) for day in days) * w, length)
        compared = max(usual, signal.minimum)
        return Reading(True, now / compared, compared)

    def tickets_stopped(self, signal: Signal) -> Reading:
        if not self.shows("tickets"):
            return NO_DATA
        days = [row["day:opened_at"] for row in self.rows("support_tickets")]
        if not days:
            return Reading(True, None)
        held = sum(max(days) - signal.before * DAY < day for day in days)
        if held < signal.minimum:
            return Reading(True, None)
        return Reading(True, Fraction((self.day - max(days)).days - 1), Fraction(held))

    def complaint_open(self, signal: Signal) -> Reading:
        if not (self.shows("complaint flag") and self.shows("resolution")):
            return NO_DATA
        complaints = [row for row in self.rows("support_tickets") if row["is_complaint"] and row["resolved_at"] is None]
        return Reading(True, Fraction(max(((self.day - row["day:opened_at"]).days for row in complaints), default=0)))

    def slow_answers(self, signal: Signal) -> Reading:
        if not (self.shows("tickets") and self.shows("first response")):
            return NO_DATA
        slow = 0
        for row in self.rows("support_tickets"):
            due = row["opened_at"] + signal.before * dt.timedelta(hours=24)
            if self.is_within(self.oracle.options.local_day(due), signal.window):
                slow += row["first_response_at"] is None or row["first_response_at"] > due
        return Reading(True, Fraction(slow))

    # people

    def champion_left(self, signal: Signal) -> Reading:
        """Contacts of either role who left while they held it (or on the day it ended), or whose role ended while they
        stayed and held neither on that day, each counted once."""
        roles = [row for row in self.rows("contact_roles") if row["role"] in ("champion", "decision_maker")]
        roles = [row for row in roles if row["valid_from"] <= self.day]
        if not roles:
            return NO_DATA
        left = {row["contact_id"]: row["day:left_at"] for row in self.rows("contacts") if row["left_at"] is not None}
        gone = set()
        for contact in {row["contact_id"] for row in roles}:
            held = [row for row in roles if row["contact_id"] == contact]
            left_on = left.get(contact)
            if (
                left_on
                and self.is_within(left_on, signal.window)
                and any(holds(row, left_on) or row["valid_to"] == left_on for row in held)
            ):
                gone.add(contact)
            for row in held:
                end = row["valid_to"]
                if end is None or not self.is_within(end, signal.window) or any(holds(other, end) for other in held):
                    continue
                if left_on is None or left_on > end:
                    gone.add(contact)
        return Reading(True, Fraction(len(gone)))

    # satisfaction

    def scores(self, survey: str) -> dict[dt.date, list[int]]:
        """The scores answered, by the local day of the answer."""
        found: dict[dt.date, list[int]] = defaultdict(list)
        for row in self.rows("survey_responses"):
            if row["survey"] == survey and row["responded_at"] is not None and row["score"] is not None:
                found[row["day:responded_at"]].append(row["score"])
        return found

    def nps_drop(self, signal: Signal) -> Reading:
        scores = self.scores("nps")
        days = sorted(scores)
        if len(days) < 2 or not self.is_within(days[-1], signal.window):
            return NO_DATA
        before, latest = (Fraction(sum(scores[day]), len(scores[day])) for day in days[-2:])
        return Reading(True, latest - before, before)

    def nps_detractor(self, signal: Signal) -> Reading:
        scores = self.scores("nps")
        if not scores or not self.is_within(max(scores), signal.window):
            return NO_DATA
        latest = scores[max(scores)]
        return Reading(True, Fraction(sum(latest), len(latest)))

    def csat_low(self, signal: Signal) -> Reading:
        scores = [s for day, found in self.scores("csat").items() if self.is_within(day, signal.window) for s in found]
        return Reading(True, Fraction(sum(scores), len(scores))) if scores else NO_DATA

    # engagement

    def no_activity(self, signal: Signal) -> Reading:
        if not self.model_shows("life"):
            return NO_DATA
        days = [use.day for use in self.uses if use.quantity]
        days += [row["day:opened_at"] for row in self.rows("support_tickets")]
        days += [row["day:responded_at"] for row in self.rows("survey_responses") if row["responded_at"] is not None]
        days += [row["day:ordered_at"] for row in self.rows("orders")]
        days += [row["day:occurred_at"] for row in self.rows("milestones")]
        for row in self.rows("messages"):
            for column in ("opened_at", "clicked_at", "converted_at"):
                if row[column] is not None:
                    days.append(row[f"day:{column}"])
        return Reading(True, self.silent(max(days, default=None)))

    def no_purchase(self, signal: Signal) -> Reading:
        if self.customer.relationship != "no_contract":
            return NO_DATA
        last = max(row["day:ordered_at"] for row in self.rows("orders"))
        return Reading(True, Fraction((self.day - last).days - 1))

    def email_disengaged(self, signal: Signal) -> Reading:
        """An e-mail that has not been opened by the end of so many days after the day it was sent counts from the next
        day on. A click opens it too."""
        sent = [row for row in self.rows("messages") if row["channel"] == "email"]
        within = [row for row in sent if self.is_within(row["day:sent_at"], signal.window)]
        if not within:
            return NO_DATA
        opened = [row for row in sent if row["opened_at"] is not None or row["clicked_at"] is not None]
        last_opened = max((row["sent_at"] for row in opened), default=dt.datetime.min)
        unread = [row for row in within if row not in opened and row["sent_at"] > last_opened]
        counted = [row for row in unread if (self.day - row["day:sent_at"]).days > signal.before]
        return Reading(True, Fraction(len(counted)))

    def newsletter_unsubscribed(self, signal: Signal) -> Reading:
        if not self.shows("e-mails"):
            return NO_DATA
        rows = [row for row in self.rows("messages") if row["unsubscribed_at"] is not None]
        return Reading(True, Fraction(sum(self.is_within(row["day:unsubscribed_at"], signal.window) for row in rows)))

    # contract

    def contract_ending(self, signal: Signal) -> Reading:
        """Of the subscriptions in force or signed to begin; the term that is over says nothing any more. A customer
        without contract has no data."""
        if self.customer.relationship != "contract":
            return NO_DATA
        rows = self.running + self.coming
        ends = [row["contract_end_on"] for row in rows if row.get("contract_end_on") is not None]
        if not ends and all(row.get("auto_renews") is None for row in rows):
            return NO_DATA
        if not ends or max(ends) <= self.day or not all(row.get("auto_renews") is False for row in rows):
            return Reading(True, None)
        return Reading(True, Fraction((max(ends) - self.day).days))

    def cancellations(self) -> list[dict[str, Any]]:
        """Those of a subscription in force that have a day ahead; without one, that were requested in the spell that
        runs and in a term that is not over. A day that has passed without an end was taken back."""
        found = []
        for row in self.rows("cancellations"):
            end = row.get("effective_on")
            if row.get("subscription_id") not in (None, *(own["subscription_id"] for own in self.running)):
                continue
            if end is None and self.running and row["requested_on"] >= self.spell_start:
                end = max((end_of_term(own, row["requested_on"]) for own in self.requested_of(row)), default=None)
            if end is not None and end > self.day:
                found.append(Kept(row, effective_on=end))
        return found

    @cached_property
    def spell_start(self) -> dt.date:
        return self.oracle.spell_start(self.account_id, self.day)

    def requested_of(self, cancellation: Row) -> list[dict[str, Any]]:
        """The versions that were in force on the day of a cancellation and that it is of."""
        day, subject = cancellation["requested_on"], cancellation.get("subscription_id")
        rows = self.oracle.version_rows(self.account_id, self.seen, lambda version: version.in_force(day))
        return [row for row in rows if subject in (None, row["subscription_id"])]

    def cancelled_running(self, signal: Signal) -> Reading:
        """Notice of a version in force, or a cancellation requested in the paid spell that runs. No data before anybody
        has ever cancelled or given notice; a customer without contract has none."""
        if self.customer.relationship != "contract" or not self.shows("notice"):
            return NO_DATA
        has_notice = any(row.get("notice_given_on") is not None for row in self.running)
        is_cancelled = any(row["requested_on"] >= self.spell_start for row in self.cancellations())
        return Reading(True, Fraction(int(has_notice or is_cancelled)))

    def payment_failed(self, signal: Signal) -> Reading:
        if not self.shows("due dates"):
            return NO_DATA
        overdue = [0]
        for row in self.rows("invoices"):
            is_settled = row["paid_on"] is not None or row.get("status") in ("paid", "void")
            if row["amount"] > 0 and not is_settled and row.get("due_on") is not None and row["due_on"] < self.day:
                overdue.append((self.day - row["due_on"]).days)
        return Reading(True, Fraction(max(overdue)))

    # onboarding

    def onboarding_incomplete(self, signal: Signal) -> Reading:
        """Since the first paid day, as known; the first window days are numbered 0 to window - 1. Under contract only;
        who returns is not new."""
        if self.customer.relationship != "contract" or not self.model_shows("onboarding"):
            return NO_DATA
        days = (self.day - self.oracle.first_paid_on(self.account_id, self.day)).days
        is_done = any(row["milestone"] == "onboarding_completed" for row in self.rows("milestones"))
        if is_done or days >= signal.window:
            return Reading(True, None)
        return Reading(True, Fraction(days))

    # windows of the score

    def usage_window(self) -> list[dict[str, Any]]:
        """Use of the last 28 days and of the 28 before; nothing where the base shows no usage."""
        if not self.model_shows("usage"):
            return []
        now = [use for use in self.uses if self.is_within(use.day, 28)]
        then = [use for use in self.uses if self.is_within(use.day, 28, 28)]
        return [
            {
                "grid_date": self.day,
                "account_id": self.account_id,
                "feature": "all",
                "quantity_28": sum((use.quantity for use in now), Fraction(0)),
                "quantity_prev_28": sum((use.quantity for use in then), Fraction(0)),
                "users_28": self._users([use for use in now if use.quantity]),
            }
        ]

    def _users(self, uses: list[Use]) -> int | None:
        """Persons; null where use was recorded, but of nobody, or never is by person."""
        users = {use.contact_id for use in uses} - {None}
        return len(users) if users or (not uses and self.model_shows("use by contact")) else None

    def service_window(self) -> dict[str, Any]:
        """Tickets and complaints of 90 days (null: the base shows none), the last NPS of 180, the mean CSAT of 90."""
        tickets = [row for row in self.rows("support_tickets") if self.is_within(row["day:opened_at"], 90)]
        nps = self.scores("nps")
        csat = [score for day, found in self.scores("csat").items() if self.is_within(day, 90) for score in found]
        has_tickets = self.shows("tickets")
        latest = nps[max(nps)] if nps and self.is_within(max(nps), 180) else []
        return {
            "grid_date": self.day,
            "account_id": self.account_id,
            "tickets_90": len(tickets) if has_tickets else None,
            "complaints_90": sum(bool(t["is_complaint"]) for t in tickets) if self.shows("complaint flag") else None,
            "nps": Fraction(sum(latest), len(latest)) if latest else None,
            "csat": Fraction(sum(csat), len(csat)) if csat else None,
        }


def holds(role: Row, day: dt.date) -> bool:
    """Whether a role is in force on a day."""
    return bool(role["valid_from"] <= day and (role["valid_to"] is None or day < role["valid_to"]))
