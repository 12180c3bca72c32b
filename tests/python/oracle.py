"""The independent oracle: the retention metrics computed in plain Python from docs of the metrics, never from the SQL.

It reads the input contract's rows (dictionaries) and walks through days, versions and accounts one by one, so that each
definition can be read where it is used. Money is `decimal.Decimal`; nothing here is fast on purpose, only fast enough
for a thousand histories over two years. Where a definition leaves room, the reading taken stands in the docstring.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

Row = Mapping[str, Any]
Inputs = Mapping[str, Sequence[Row]]  # entity of the input contract -> its rows

ZERO = Decimal("0.0000")
_EXACT = Context(prec=100)
_FOUR_PLACES = Decimal("0.0001")
Z_95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution
FAR = dt.date.max
DAY = dt.timedelta(days=1)
# Attributes that account_history may give for a day; every other one is the account's own.
HISTORY_ATTRIBUTES = {"industry", "company_size", "region"}


class MissingRate(Exception):
    """No exchange rate young enough."""


@dataclass(frozen=True)
class Options:
    """What a build is for: the as-of date and the documented choices, with their defaults."""

    as_of: dt.date
    segment_dimensions: tuple[str, ...] = ("industry", "plan", "contract_length")
    reporting_currency: str = "EUR"
    reporting_time_zone: str = "UTC"
    fx_max_age_days: int = 7
    churn_recognition: str = "service_end"
    pause_is_churn: bool = False
    reactivation_gap_days: int = 0
    reactivation_in_net_churn: bool = False
    growth_goal_monthly: float = 0.10
    small_base_threshold: int = 30
    employee_bands: Mapping[str, int] = field(default_factory=lambda: {"mid": 50, "large": 250})

    def utc(self, local: dt.datetime) -> dt.datetime:
        """A local wall time of the reporting time zone as a UTC moment."""
        zoned = local.replace(tzinfo=ZoneInfo(self.reporting_time_zone))
        return zoned.astimezone(dt.UTC).replace(tzinfo=None)

    def local_day(self, moment: dt.datetime) -> dt.date:
        """The local business day of a UTC moment."""
        return moment.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(self.reporting_time_zone)).date()

    @property
    def moment(self) -> dt.datetime:
        """What is recorded before this UTC moment is known."""
        return self.utc(dt.datetime.combine(self.as_of, dt.time()))


# --- calendar ------------------------------------------------------------------------------------------------------


def add_months(day: dt.date, months: int) -> dt.date:
    """The same day of the month so many months later, or that month's last day where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    first_of_next = dt.date(year + month // 11, (month + 1) % 12 + 1, 1)
    last = (first_of_next - DAY).day
    return dt.date(year, month + 1, min(day.day, last))


def complete_months(start: dt.date, end: dt.date) -> int:
    """The largest n with start + n months <= end; 0 where end lies before start."""
    months = 0
    while add_months(start, months + 1) <= end:
        months += 1
    return months


def period_start(grain: str, day: dt.date) -> dt.date:
    """First day of the week (Monday), month, quarter or year a day lies in."""
    if grain == "week":
        return day - day.weekday() * DAY
    month = {"month": day.month, "quarter": (day.month - 1) // 3 * 3 + 1, "year": 1}[grain]
    return dt.date(day.year, month, 1)


def next_period(grain: str, start: dt.date, count: int = 1) -> dt.date:
    """First day of the period `count` periods after the one that begins on `start`."""
    if grain == "week":
        return start + 7 * count * DAY
    return add_months(start, count * {"month": 1, "quarter": 3, "year": 12}[grain])


# --- money ---------------------------------------------------------------------------------------------------------


def money(*factors: Decimal, by: Decimal = Decimal(1)) -> Decimal:
    """The product of the factors over `by`, rounded once, half away from zero, to four decimals."""
    product = Decimal(1)
    for factor in factors:
        product = _EXACT.multiply(product, factor)
    return _EXACT.divide(product, by).quantize(_FOUR_PLACES, ROUND_HALF_UP, context=_EXACT)


def total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)


def ratio(numerator: Decimal | int, denominator: Decimal | int) -> float | None:
    """A rate as a double; null where there is nothing to divide by."""
    return float(numerator) / float(denominator) if denominator else None


def wilson(hits: int, base: int) -> tuple[float | None, float | None]:
    """The 95 % Wilson interval of a count ratio."""
    if not base:
        return None, None
    share, z2 = hits / base, Z_95 * Z_95
    centre = (share + z2 / (2 * base)) / (1 + z2 / base)
    half = Z_95 * math.sqrt(share * (1 - share) / base + z2 / (4 * base * base)) / (1 + z2 / base)
    return max(0.0, centre - half), min(1.0, centre + half)


# --- what is known on D --------------------------------------------------------------------------------------------


def known_rows(rows: Iterable[Row], key: Sequence[str], event_time: str, options: Options) -> list[Row]:
    """Of each key the newest row recorded before D; by default a row is recorded at its own time, a row that holds from
    a day on the moment before that day."""
    newest: dict[tuple[Any, ...], tuple[dt.datetime, Row]] = {}
    for row in rows:
        recorded = row.get("recorded_at") or _own_time(row.get(event_time), options)
        if recorded >= options.moment:
            continue
        identity = tuple(row[column] for column in key)
        if identity not in newest or recorded > newest[identity][0]:
            newest[identity] = (recorded, row)
    return [row for _, row in newest.values() if not row.get("is_deleted")]


def _own_time(event: dt.date | dt.datetime | None, options: Options) -> dt.datetime:
    if event is None:
        return dt.datetime.min
    if isinstance(event, dt.datetime):
        return event
    return options.utc(dt.datetime.combine(event, dt.time())) - dt.timedelta(microseconds=1)


class Rates:
    """Exchange rates into the reporting currency: the latest on or before a day, at most so many days old."""

    def __init__(self, rows: Iterable[Row], options: Options) -> None:
        self._options = options
        self._rates: dict[str, dict[dt.date, Decimal]] = defaultdict(dict)
        for row in known_rows(rows, ["currency", "quote_currency", "rate_on"], "rate_on", options):
            if row["quote_currency"] == options.reporting_currency:
                self._rates[row["currency"]][row["rate_on"]] = Decimal(row["rate"])

    def on(self, currency: str, day: dt.date) -> Decimal:
        if currency == self._options.reporting_currency:
            return Decimal(1)
        for age in range(self._options.fx_max_age_days + 1):
            rate = self._rates[currency].get(day - age * DAY)
            if rate is not None:
                return rate
        raise MissingRate(f"no rate of {currency} on {day}")


# --- subscriptions -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Version:
    """A paid version of a subscription, in force on start <= day < end."""

    subscription_id: str
    account_id: str
    start: dt.date
    end: dt.date
    currency: str
    interval: int
    original: Decimal  # monthly value in its own currency; 0 while paused
    is_paused: bool
    plan: str | None
    term: int | None

    def in_force(self, day: dt.date) -> bool:
        return self.start <= day < self.end

    def billing_day(self, day: dt.date) -> dt.date:
        """First day of the billing interval in force, the k-th counted from the version's first day."""
        months = (day.year - self.start.year) * 12 + day.month - self.start.month
        k = months // self.interval
        if add_months(self.start, k * self.interval) > day:
            k -= 1
        return add_months(self.start, k * self.interval)


@dataclass(frozen=True)
class Holding:
    """What one subscription is worth on one day."""

    version: Version
    rate: Decimal
    reporting: Decimal


@dataclass(frozen=True)
class Line:
    """The part of an account's revenue in one currency that is compared from boundary to boundary as one thing: a
    subscription in force at both boundaries, or all others pooled (what replaced what cannot be told)."""

    currency: str
    original_start: Decimal
    original_end: Decimal
    reporting_start: Decimal
    reporting_end: Decimal
    start_at_end_rate: Decimal  # original amount of the start at the rate of the end
    end_at_start_rate: Decimal  # original amount of the end at the rate of the start

    @property
    def fx(self) -> Decimal:
        if not self.original_start or not self.original_end:
            return ZERO
        return self.start_at_end_rate - self.reporting_start

    @property
    def commercial(self) -> Decimal:
        return self.reporting_end - self.reporting_start - self.fx


def paid_versions(rows: Iterable[Row], accounts: Mapping[str, str], options: Options) -> list[Version]:
    """The paid versions known on D with the days they are in force; those without a day have no effect at all.
    `accounts` names the account each one counts as."""
    known = [
        row
        for row in known_rows(rows, ["subscription_id", "valid_from"], "valid_from", options)
        if row["account_id"] in accounts and row["valid_from"] != row.get("valid_to")
    ]
    chains: dict[str, list[Row]] = defaultdict(list)
    for row in known:
        chains[row["subscription_id"]].append(row)
    versions = []
    for chain in chains.values():
        chain.sort(key=lambda row: row["valid_from"])
        for row, following in zip(chain, [*chain[1:], None], strict=True):
            end = _end_of(row, following, options)
            paused = bool(row.get("is_paused"))
            if row.get("is_trial") or row["valid_from"] >= end or (paused and options.pause_is_churn):
                continue
            quantity = row.get("quantity")
            monthly = money(
                Decimal(row["amount"]),
                Decimal(1 if quantity is None else quantity),
                by=Decimal(row["billing_interval_months"]),
            )
            versions.append(
                Version(
                    subscription_id=row["subscription_id"],
                    account_id=accounts[row["account_id"]],
                    start=row["valid_from"],
                    end=end,
                    currency=row["currency"],
                    interval=int(row["billing_interval_months"]),
                    original=ZERO if paused else monthly,
                    is_paused=paused,
                    plan=row.get("plan"),
                    term=row.get("contract_term_months"),
                )
            )
    return versions


def _end_of(row: Row, following: Row | None, options: Options) -> dt.date:
    """First day not served, as known on D: an end later than D is not known yet."""
    end = row.get("valid_to") or FAR
    if end > options.as_of:
        end = FAR
    if options.churn_recognition == "notice":
        notice = row.get("notice_given_on")
        if notice and notice <= options.as_of and row["valid_from"] <= notice < end:
            end = notice
    return min(end, following["valid_from"]) if following else end


def bridged(versions: Sequence[Version], gap_days: int) -> list[Version]:
    """The versions of one account with its gaps of at most `gap_days` days closed: what ended where such a gap begins
    runs on to where it ends."""
    extended = list(versions)
    ends = sorted({version.end for version in versions if version.end < FAR})
    for end in ends:
        if any(version.in_force(end) for version in versions):
            continue
        returns = min((version.start for version in versions if version.start > end), default=None)
        if returns is not None and (returns - end).days <= gap_days:
            extended = [replace(version, end=returns) if version.end == end else version for version in extended]
    return extended


# --- accounts ------------------------------------------------------------------------------------------------------


class Account:
    """One account: its paid versions, its attributes, and its state on any day up to D."""

    def __init__(
        self, row: Row, history: Sequence[Row], versions: Sequence[Version], rates: Rates, options: Options
    ) -> None:
        self.account_id: str = row["account_id"]
        self.versions = versions
        self._row = row
        self._history = sorted(history, key=lambda entry: entry["valid_from"])
        self._rates = rates
        self._options = options
        self._holdings: dict[dt.date, dict[str, Holding]] = {}

    @cached_property
    def active_days(self) -> set[dt.date]:
        """Every day up to D on which a paid version is in force."""
        days = set()
        for version in self.versions:
            day = version.start
            while day < version.end and day <= self._options.as_of:
                days.add(day)
                day += DAY
        return days

    def is_active(self, day: dt.date) -> bool:
        return day in self.active_days

    @cached_property
    def first_paid_day(self) -> dt.date | None:
        return min(self.active_days, default=None)

    def holdings(self, day: dt.date) -> dict[str, Holding]:
        """The subscriptions in force on a day, by their id."""
        if day not in self._holdings:
            found = {}
            for version in self.versions:
                if version.in_force(day):
                    rate = self._rates.on(version.currency, version.billing_day(day))
                    found[version.subscription_id] = Holding(version, rate, money(version.original, rate))
            self._holdings[day] = found
        return self._holdings[day]

    def mrr(self, day: dt.date) -> Decimal:
        return total(holding.reporting for holding in self.holdings(day).values())

    def in_currency(self, day: dt.date, name: str) -> dict[str, Any]:
        """The currency an account pays in on a day and its MRR in it; 'mixed' without an amount where it is several."""
        versions = [holding.version for holding in self.holdings(day).values()]
        currencies = {version.currency for version in versions}
        return {
            f"currency_{name}": "mixed" if len(currencies) > 1 else next(iter(currencies), None),
            f"mrr_{name}_original": total(v.original for v in versions) if len(currencies) == 1 else None,
        }

    @cached_property
    def start_rates(self) -> dict[str, Decimal]:
        """Per currency the rate on the first day of the account's earliest paid version in it."""
        first: dict[str, dt.date] = {}
        for version in self.versions:
            if version.start <= self._options.as_of:
                first[version.currency] = min(version.start, first.get(version.currency, FAR))
        return {currency: self._rates.on(currency, day) for currency, day in first.items()}

    def mrr_at_start_rates(self, day: dt.date) -> Decimal:
        return total(money(v.original, self.start_rates[v.currency]) for v in self.versions if v.in_force(day))

    def lines(self, start: dt.date, end: dt.date) -> list[Line]:
        """The lines of the account between two boundaries."""
        before, after = self.holdings(start), self.holdings(end)
        found = []
        for currency in sorted({h.version.currency for h in [*before.values(), *after.values()]}):
            old = {key: h for key, h in before.items() if h.version.currency == currency}
            new = {key: h for key, h in after.items() if h.version.currency == currency}
            for key in sorted(old.keys() & new.keys()):
                o0, o1 = old[key].version.original, new[key].version.original
                r0, r1 = old[key].reporting, new[key].reporting
                at_start_rate = money(o1, old[key].rate) if o0 else r1
                found.append(Line(currency, o0, o1, r0, r1, money(o0, new[key].rate), at_start_rate))
            ended = [h for key, h in old.items() if key not in new]
            begun = [h for key, h in new.items() if key not in old]
            if ended or begun:
                o0, o1 = (total(h.version.original for h in side) for side in (ended, begun))
                r0, r1 = (total(h.reporting for h in side) for side in (ended, begun))
                at_end_rate = money(o0, r1, by=o1) if o1 else ZERO
                at_start_rate = money(o1, r0, by=o0) if o0 else r1
                found.append(Line(currency, o0, o1, r0, r1, at_end_rate, at_start_rate))
        return found

    def tenure_months(self, day: dt.date) -> int:
        assert self.first_paid_day is not None
        return complete_months(self.first_paid_day, day)

    def segments(self, day: dt.date) -> dict[str, str]:
        """The value of every segment dimension on a day; null is 'unknown'."""
        return {dimension: self._segment(dimension, day) for dimension in self._options.segment_dimensions}

    def _segment(self, dimension: str, day: dt.date) -> str:
        if dimension in ("plan", "contract_length"):
            holdings = sorted(self.holdings(day).items(), key=lambda item: (-item[1].reporting, item[0]))
            if not holdings:
                return "unknown"
            version = holdings[0][1].version
            return (version.plan or "unknown") if dimension == "plan" else contract_length(version.term)
        return self._attribute(dimension, day) or "unknown"

    def _attribute(self, name: str, day: dt.date) -> str | None:
        if name in HISTORY_ATTRIBUTES and self._history:
            entry = self._history[0]
            for later in self._history:
                if later["valid_from"] <= day:
                    entry = later
            if entry.get(name) is not None:
                return str(entry[name])
        value: str | None = self._row.get(name)
        employees = self._row.get("employee_count")
        if name == "company_size" and value is None and employees is not None:
            bands = self._options.employee_bands
            return "large" if employees >= bands["large"] else "mid" if employees >= bands["mid"] else "small"
        return value


def contract_length(months: int | None) -> str:
    """The band of a contract term."""
    if months is None:
        return "unknown"
    if months <= 1:
        return "month to month"
    if months < 12:
        return "under 1 year"
    return "1 year" if months < 24 else "2 years and longer"


# --- one account from boundary to boundary ---------------------------------------------------------------------------


@dataclass(frozen=True)
class AccountPeriod:
    """What became of one account between the boundaries of one period."""

    account_id: str
    grain: str
    start: dt.date
    end: dt.date
    is_complete: bool
    is_active_start: bool
    is_active_end: bool
    mrr_start: Decimal
    mrr_end: Decimal
    movement: str
    lines: list[Line]
    currencies: dict[str, Any]
    joined_and_left: bool
    left_and_returned: bool
    tenure_months: int
    segments: dict[str, str]

    @property
    def commercial(self) -> Decimal:
        return total(line.commercial for line in self.lines)

    @property
    def fx(self) -> Decimal:
        return total(line.fx for line in self.lines)

    @property
    def end_at_start_rate(self) -> Decimal:
        """The end MRR at the start's rates: the numerator of NRR for an account active at the start."""
        return total(line.end_at_start_rate for line in self.lines) if self.is_active_end else ZERO


@dataclass
class Oracle:
    """All metrics of one set of inputs as of one day."""

    inputs: Inputs
    options: Options

    @cached_property
    def rates(self) -> Rates:
        return Rates(self.inputs.get("fx_rates", ()), self.options)

    @cached_property
    def account_rows(self) -> dict[str, Row]:
        return {
            row["account_id"]: row
            for row in known_rows(self.inputs["accounts"], ["account_id"], "acquired_on", self.options)
        }

    @cached_property
    def resolved(self) -> dict[str, str]:
        """Each account id and the account it counts as: the survivor of its merges. Test accounts are left out."""
        found = {}
        for account_id in self.account_rows:
            survivor = account_id
            while self.account_rows[survivor].get("merged_into"):
                survivor = self.account_rows[survivor]["merged_into"]
            if not self.account_rows[account_id].get("is_test") and not self.account_rows[survivor].get("is_test"):
                found[account_id] = survivor
        return found

    @cached_property
    def accounts(self) -> list[Account]:
        """The accounts, without the merged and the test ones."""
        versions: dict[str, list[Version]] = defaultdict(list)
        for version in paid_versions(self.inputs.get("subscriptions", ()), self.resolved, self.options):
            versions[version.account_id].append(version)
        history: dict[str, list[Row]] = defaultdict(list)
        rows = self.inputs.get("account_history", ())
        for row in known_rows(rows, ["account_id", "valid_from"], "valid_from", self.options):
            history[row["account_id"]].append(row)
        return [
            Account(
                self.account_rows[account_id],
                history[account_id],
                bridged(versions[account_id], self.options.reactivation_gap_days),
                self.rates,
                self.options,
            )
            for account_id in sorted(set(self.resolved.values()))
        ]

    @cached_property
    def customers(self) -> list[Account]:
        """The accounts that have had a paid day by D."""
        return [account for account in self.accounts if account.first_paid_day is not None]

    def periods(self, grain: str) -> list[tuple[dt.date, dt.date, bool]]:
        """Start, end boundary and completeness of every period, from the one that holds the day before the earliest
        paid day (an account whose first day opens a month is new in the month that this day closes) to the one that
        holds the last day before D."""
        first = min((account.first_paid_day for account in self.customers if account.first_paid_day), default=None)
        found = []
        if first is not None:
            start = period_start(grain, first - DAY)
            while start < self.options.as_of:
                following = next_period(grain, start)
                found.append((start, min(following, self.options.as_of), following <= self.options.as_of))
                start = following
        return found

    def account_periods(self, grain: str) -> list[AccountPeriod]:
        """One entry per account and period, from the first period that sees the account on."""
        found = []
        for account in self.customers:
            assert account.first_paid_day is not None
            seen = period_start(grain, account.first_paid_day - DAY)
            was_active = False  # at an earlier boundary
            for start, end, is_complete in self.periods(grain):
                if start >= seen:
                    found.append(self._account_period(account, grain, start, end, is_complete, was_active))
                was_active = was_active or account.is_active(start)
        return found

    def _account_period(
        self, account: Account, grain: str, start: dt.date, end: dt.date, is_complete: bool, was_active: bool
    ) -> AccountPeriod:
        at_start, at_end = account.is_active(start), account.is_active(end)
        inside = [start + n * DAY for n in range(1, (end - start).days)]
        lines = account.lines(start, end)
        active_day = next((day for day in [start, *inside, end] if account.is_active(day)), start)
        return AccountPeriod(
            account_id=account.account_id,
            grain=grain,
            start=start,
            end=end,
            is_complete=is_complete,
            is_active_start=at_start,
            is_active_end=at_end,
            mrr_start=account.mrr(start),
            mrr_end=account.mrr(end),
            movement=movement_label(at_start, at_end, was_active, total(line.commercial for line in lines)),
            lines=lines,
            currencies={**account.in_currency(start, "start"), **account.in_currency(end, "end")},
            joined_and_left=not at_start and not at_end and any(account.is_active(day) for day in inside),
            left_and_returned=at_start and at_end and not all(account.is_active(day) for day in inside),
            tenure_months=account.tenure_months(start),
            segments=account.segments(active_day),
        )

    @cached_property
    def monthly(self) -> list[AccountPeriod]:
        return self.account_periods("month")

    # --- the marts -------------------------------------------------------------------------------------------------

    def account_months(self) -> list[dict[str, Any]]:
        """Account x month."""
        return [
            {
                "account_id": period.account_id,
                "month_start": period.start,
                "is_active_start": period.is_active_start,
                "is_active_end": period.is_active_end,
                "mrr_start": period.mrr_start,
                "mrr_end": period.mrr_end,
                "movement": period.movement,
                "mrr_commercial_change": period.commercial,
                "mrr_fx_change": period.fx,
                **at_start_rates(period),
                **period.currencies,
                "tenure_months": period.tenure_months,
                "joined_and_left": period.joined_and_left,
                "left_and_returned": period.left_and_returned,
                **period.segments,
            }
            for period in self.monthly
        ]

    def mrr_movements(self) -> list[dict[str, Any]]:
        """Account x month x currency x movement: the commercial one, and fx where rates moved. Every account has a
        commercial row every month: where nothing is in force at either boundary, a `none` in the reporting currency."""
        found = []
        for period in self.monthly:
            for currency in sorted({line.currency for line in period.lines}) or [self.options.reporting_currency]:
                lines = [line for line in period.lines if line.currency == currency]
                keys = {"account_id": period.account_id, "month_start": period.start, "currency": currency}
                found.append(
                    {
                        **keys,
                        "movement": period.movement,
                        "mrr_change": total(line.commercial for line in lines),
                        "mrr_change_original": total(line.original_end - line.original_start for line in lines),
                        **period.segments,
                    }
                )
                fx = total(line.fx for line in lines)
                if fx:
                    amounts = {"movement": "fx", "mrr_change": fx, "mrr_change_original": ZERO}
                    found.append({**keys, **amounts, **period.segments})
        return found

    def mrr_monthly(self) -> list[dict[str, Any]]:
        """The roll-forward of every month."""
        found = []
        by_month: dict[dt.date, list[AccountPeriod]] = defaultdict(list)
        for period in self.monthly:
            by_month[period.start].append(period)
        for start, _, is_complete in self.periods("month"):
            accounts = by_month[start]
            customers_start = sum(p.is_active_start for p in accounts)
            customers_end = sum(p.is_active_end for p in accounts)
            mrr_end = total(p.mrr_end for p in accounts)
            moved = {
                label: total(p.commercial for p in accounts if p.movement == label)
                for label in ("new", "expansion", "contraction", "churn", "reactivation")
            }
            counted = {label: sum(p.movement == label for p in accounts) for label in ("new", "churn", "reactivation")}
            lost = -moved["contraction"] - moved["churn"]
            churn_rate = ratio(counted["churn"], customers_start)
            low, high = wilson(counted["churn"], customers_start)
            leak = None if churn_rate is None else (self.options.growth_goal_monthly + churn_rate) * customers_start
            found.append(
                {
                    "month_start": start,
                    "customers_start": customers_start,
                    "customers_new": counted["new"],
                    "customers_churned": counted["churn"],
                    "customers_reactivated": counted["reactivation"],
                    "customers_end": customers_end,
                    "customers_joined_and_left": sum(p.joined_and_left for p in accounts),
                    "customers_left_and_returned": sum(p.left_and_returned for p in accounts),
                    "mrr_start": total(p.mrr_start for p in accounts),
                    "mrr_new": moved["new"],
                    "mrr_expansion": moved["expansion"],
                    "mrr_reactivation": moved["reactivation"],
                    "mrr_contraction": -moved["contraction"],
                    "mrr_churn": -moved["churn"],
                    "mrr_fx": total(p.fx for p in accounts),
                    "mrr_end": mrr_end,
                    "arr_end": 12 * mrr_end,
                    "arpa_end": ratio(mrr_end, customers_end),
                    "customer_churn_rate": churn_rate,
                    "customer_churn_ci_low": low,
                    "customer_churn_ci_high": high,
                    "is_small_base": customers_start < self.options.small_base_threshold,
                    **self._revenue_rates(accounts),
                    "mrr_retained_net": retained(accounts, net=True),
                    "mrr_retained_gross": retained(accounts, net=False),
                    "quick_ratio": ratio(moved["new"] + moved["expansion"] + moved["reactivation"], lost),
                    "annualised_churn_rate": None if churn_rate is None else 1 - (1 - churn_rate) ** 12,
                    "new_customers_needed_for_growth": leak,
                    "is_complete": is_complete,
                }
            )
        return found

    def _revenue_rates(self, accounts: Sequence[AccountPeriod]) -> dict[str, Any]:
        """The revenue rates, all at the start's rates."""
        base = [period for period in accounts if period.is_active_start]
        start = total(period.mrr_start for period in base)
        churned, contracted, expanded = (
            total(at_start_rates(period)[part] for period in base) for part in AT_START_RATES
        )
        won_back = total(period.mrr_end for period in accounts if period.movement == "reactivation")
        gained = expanded + (won_back if self.options.reactivation_in_net_churn else ZERO)
        return {
            "gross_revenue_churn_rate": ratio(churned + contracted, start),
            "net_revenue_churn_rate": ratio(churned + contracted - gained, start),
            "nrr": ratio(retained(base, net=True), start),
            "grr": ratio(retained(base, net=False), start),
        }

    def churn_by_segment(self, grains: Sequence[str] = ("month", "quarter", "year")) -> list[dict[str, Any]]:
        """Grain x period x segment, for every segment with an account active on some day from boundary to boundary;
        without a customer at the start it has no rates."""
        found: list[dict[str, Any]] = []
        for grain in grains:
            groups: dict[tuple[dt.date, bool, str, str], list[AccountPeriod]] = defaultdict(list)
            for period in self.monthly if grain == "month" else self.account_periods(grain):
                if not (period.is_active_start or period.is_active_end or period.joined_and_left):
                    continue
                for dimension, value in {"all": "all", **period.segments}.items():
                    groups[period.start, period.is_complete, dimension, value].append(period)
            for (start, is_complete, dimension, value), accounts in sorted(groups.items()):
                customers = sum(period.is_active_start for period in accounts)
                churned = sum(period.is_active_start and not period.is_active_end for period in accounts)
                low, high = wilson(churned, customers)
                found.append(
                    {
                        "period_grain": grain,
                        "period_start": start,
                        "segment_dimension": dimension,
                        "segment_value": value,
                        "customers_at_start": customers,
                        "customers_churned": churned,
                        "churn_rate": ratio(churned, customers),
                        "ci_low": low,
                        "ci_high": high,
                        "is_small_base": customers < self.options.small_base_threshold,
                        "mrr_at_start": total(period.mrr_start for period in accounts),
                        **{part: total(at_start_rates(p)[part] for p in accounts) for part in AT_START_RATES},
                        **self._revenue_rates(accounts),
                        "is_complete": is_complete,
                    }
                )
        return found

    def cohort_retention(self, grains: Sequence[str] = ("week", "month", "quarter", "year")) -> list[dict[str, Any]]:
        """Relationship x grain x cohort x segment x period; a cell exists once the boundary behind it has been seen."""
        found: list[dict[str, Any]] = []
        for grain in grains:
            found += self._contract_cohorts(grain)
            found += self._order_cohorts(grain)
        return found

    def _cohort_groups(
        self, members: Iterable[tuple[Account, dt.date]], grain: str
    ) -> dict[tuple[dt.date, str, str], list[Account]]:
        """Accounts by the period of their first day and their segments on that day; weeks for the whole only."""
        groups: dict[tuple[dt.date, str, str], list[Account]] = defaultdict(list)
        for account, first in members:
            segments = {} if grain == "week" else account.segments(first)
            for dimension, value in {"all": "all", **segments}.items():
                groups[period_start(grain, first), dimension, value].append(account)
        return dict(sorted(groups.items()))

    def _boundaries(self, grain: str, cohort: dt.date) -> list[dt.date]:
        """The boundary that opens period k + 1, for every k whose boundary has come by D."""
        found: list[dt.date] = []
        while (boundary := next_period(grain, cohort, len(found) + 1)) <= self.options.as_of:
            found.append(boundary)
        return found

    def _contract_cohorts(self, grain: str) -> list[dict[str, Any]]:
        members = [(account, account.first_paid_day) for account in self.customers if account.first_paid_day]
        found = []
        for (cohort, dimension, value), accounts in self._cohort_groups(members, grain).items():
            boundaries = self._boundaries(grain, cohort)
            cells = [self._contract_cells(account, boundaries) for account in accounts]
            at_start = total(a.mrr_at_start_rates(a.first_paid_day) for a in accounts if a.first_paid_day)
            for k in range(len(boundaries)):
                seen = [account_cells[k] for account_cells in cells]
                retained = sum(cell["retained"] for cell in seen)
                gross, net = total(cell["gross"] for cell in seen), total(cell["net"] for cell in seen)
                found.append(
                    {
                        "relationship": "contract",
                        "cohort_grain": grain,
                        "cohort_start": cohort,
                        "segment_dimension": dimension,
                        "segment_value": value,
                        "period_index": k,
                        "customers_at_start": len(accounts),
                        "customers_retained": retained,
                        "customers_retained_uninterrupted": sum(cell["uninterrupted"] for cell in seen),
                        "mrr_at_start": at_start,
                        "mrr_retained_gross": gross,
                        "mrr_retained_net": net,
                        "mrr_retained_uninterrupted": total(cell["running_minimum"] for cell in seen),
                        "value_at_start": None,
                        "value_retained": None,
                        **self._logo_retention(retained, len(accounts)),
                        "gross_revenue_retention": ratio(gross, at_start),
                        "net_revenue_retention": ratio(net, at_start),
                        "value_retention": None,
                    }
                )
        return found

    def _logo_retention(self, customers: int, base: int) -> dict[str, Any]:
        low, high = wilson(customers, base)
        return {
            "logo_retention": ratio(customers, base),
            "logo_retention_ci_low": low,
            "logo_retention_ci_high": high,
            "is_small_base": base < self.options.small_base_threshold,
        }

    def _contract_cells(self, account: Account, boundaries: Sequence[dt.date]) -> list[dict[str, Any]]:
        """One account at the boundaries of its cohort, at the rates it started with."""
        assert account.first_paid_day is not None
        start = lowest = account.mrr_at_start_rates(account.first_paid_day)
        uninterrupted = True
        cells = []
        for boundary in boundaries:
            net = account.mrr_at_start_rates(boundary)
            uninterrupted = uninterrupted and account.is_active(boundary)
            lowest = min(lowest, net) if uninterrupted else ZERO
            cells.append(
                {
                    "retained": account.is_active(boundary),
                    "uninterrupted": uninterrupted,
                    "net": net,
                    "gross": min(net, start),
                    "running_minimum": lowest,
                }
            )
        return cells

    @cached_property
    def purchases(self) -> dict[str, list[tuple[dt.date, Decimal]]]:
        """Local day and value of every order of the accounts that have no paid version, known on D and with a day in
        force by D; where a pause is churn, a paused one is none."""
        under_contract = {
            account.account_id
            for account in self.accounts
            if any(version.start <= self.options.as_of for version in account.versions)
        }
        found: dict[str, list[tuple[dt.date, Decimal]]] = defaultdict(list)
        for row in known_rows(self.inputs.get("orders", ()), ["order_id"], "ordered_at", self.options):
            account_id = self.resolved.get(row["account_id"])
            if account_id is None or account_id in under_contract:
                continue
            day = self.options.local_day(row["ordered_at"])
            net = Decimal(row["amount"]) - Decimal(row.get("returned_amount") or 0)
            found[account_id].append((day, money(net, self.rates.on(row["currency"], day))))
        return found

    def _order_cohorts(self, grain: str) -> list[dict[str, Any]]:
        members = [
            (account, min(day for day, _ in self.purchases[account.account_id]))
            for account in self.accounts
            if account.account_id in self.purchases
        ]
        found = []
        for (cohort, dimension, segment_value), accounts in self._cohort_groups(members, grain).items():
            values: dict[str, dict[dt.date, Decimal]] = {}
            for account in accounts:
                values[account.account_id] = defaultdict(lambda: ZERO)
                for day, amount in self.purchases[account.account_id]:
                    values[account.account_id][period_start(grain, day)] += amount
            at_start = total(bought[cohort] for bought in values.values())
            for k in range(len(self._boundaries(grain, cohort))):
                periods = [next_period(grain, cohort, n) for n in range(k + 1)]
                value = total(bought[periods[k]] for bought in values.values() if periods[k] in bought)
                retained = sum(periods[k] in bought for bought in values.values())
                found.append(
                    {
                        "relationship": "no_contract",
                        "cohort_grain": grain,
                        "cohort_start": cohort,
                        "segment_dimension": dimension,
                        "segment_value": segment_value,
                        "period_index": k,
                        "customers_at_start": len(accounts),
                        "customers_retained": retained,
                        "customers_retained_uninterrupted": sum(
                            all(period in bought for period in periods) for bought in values.values()
                        ),
                        "mrr_at_start": None,
                        "mrr_retained_gross": None,
                        "mrr_retained_net": None,
                        "mrr_retained_uninterrupted": None,
                        "value_at_start": at_start,
                        "value_retained": value,
                        **self._logo_retention(retained, len(accounts)),
                        "gross_revenue_retention": None,
                        "net_revenue_retention": None,
                        "value_retention": ratio(value, at_start),
                    }
                )
        return found

    def survival_curve(self) -> list[dict[str, Any]]:
        """Segment x tenure month, Kaplan-Meier with censoring at D: first spell only, its end the event. Segments are
        those of the first paid day. Tenure month 0 holds who was censored on the first paid day."""
        groups: dict[tuple[str, str], list[tuple[int, bool]]] = defaultdict(list)
        found: list[dict[str, Any]] = []
        for account in self.customers:
            first = account.first_paid_day
            assert first is not None
            last = first
            while account.is_active(last) and last < self.options.as_of:
                last += DAY
            spell = (tenure_month(first, last), not account.is_active(last))
            for dimension, value in {"all": "all", **account.segments(first)}.items():
                groups[dimension, value].append(spell)
        for (dimension, value), spells in sorted(groups.items()):
            survival, variance = 1.0, 0.0
            for month in range(max(tenure for tenure, _ in spells) + 1):
                at_risk = sum(tenure >= month for tenure, _ in spells)
                churned = sum(tenure == month and event for tenure, event in spells)
                survival *= 1 - churned / at_risk
                variance += churned / (at_risk * (at_risk - churned)) if churned < at_risk else math.inf
                low, high = log_log_interval(survival, variance)
                found.append(
                    {
                        "segment_dimension": dimension,
                        "segment_value": value,
                        "tenure_month": month,
                        "at_risk": at_risk,
                        "churned": churned,
                        "censored": sum(tenure == month and not event for tenure, event in spells),
                        "survival": survival,
                        "ci_low": low,
                        "ci_high": high,
                        "hazard": churned / at_risk,
                    }
                )
        return found


AT_START_RATES = ("mrr_churned", "mrr_contracted", "mrr_expanded")


def at_start_rates(period: AccountPeriod) -> dict[str, Decimal]:
    """What an account active at the start lost and gained, at the start's rates."""
    change = period.end_at_start_rate - period.mrr_start if period.is_active_start else ZERO
    left = period.is_active_start and not period.is_active_end
    return {
        "mrr_churned": -change if left else ZERO,
        "mrr_contracted": ZERO if left else max(-change, ZERO),
        "mrr_expanded": ZERO if left else max(change, ZERO),
    }


def retained(accounts: Iterable[AccountPeriod], *, net: bool) -> Decimal:
    """The end MRR, at the start's rates, of the accounts active at the start; gross: each capped at its start."""
    base = [period for period in accounts if period.is_active_start]
    return total(p.end_at_start_rate if net else min(p.end_at_start_rate, p.mrr_start) for p in base)


def movement_label(at_start: bool, at_end: bool, was_active: bool, commercial: Decimal) -> str:
    """The one commercial label of an account between two boundaries. `was_active`: at a boundary before the start."""
    if at_start and at_end:
        return "expansion" if commercial > 0 else "contraction" if commercial < 0 else "none"
    if at_start:
        return "churn"
    if at_end:
        return "reactivation" if was_active else "new"
    return "none"


def tenure_month(start: dt.date, end: dt.date) -> int:
    """The smallest n with start + n months >= end."""
    n = 0
    while add_months(start, n) < end:
        n += 1
    return n


def log_log_interval(survival: float, variance: float) -> tuple[float | None, float | None]:
    """Greenwood's 95 % interval on the log-log scale; no width while the curve stands at 1, none once it is at 0."""
    if survival in (0, 1):
        return (1.0, 1.0) if survival else (None, None)
    theta = Z_95 * math.sqrt(variance) / math.log(survival)
    return survival ** math.exp(-theta), survival ** math.exp(theta)


MARTS: dict[str, Callable[[Oracle], list[dict[str, Any]]]] = {
    "account_months": Oracle.account_months,
    "mrr_movements": Oracle.mrr_movements,
    "mrr_monthly": Oracle.mrr_monthly,
    "cohort_retention": Oracle.cohort_retention,
    "churn_by_segment": Oracle.churn_by_segment,
    "survival_curve": Oracle.survival_curve,
}
