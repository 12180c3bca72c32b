"""The value of every account in plain Python, from the rows of the input contract: the second opinion on `account_clv`.

Revenue by day, refunds, costs spread and allocated, acquisition and payback are exact (`decimal.Decimal`); what is
expected of the future is computed by the reference models with parameters that are given. What is known of accounts,
subscriptions and rates comes from the oracle of the retention metrics. Readings taken where the definitions leave room
are in the docstrings.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Any

from clv_reference import (
    WEEKS_PER_MONTH,
    BgNbd,
    GammaGamma,
    Sbg,
    discounted_purchases,
    expected_purchases,
    expected_spend,
    p_alive,
    sbg_survival,
    weeks,
)
from oracle import (
    DAY,
    FAR,
    ZERO,
    Account,
    Inputs,
    Options,
    Oracle,
    Row,
    add_months,
    bridged,
    complete_months,
    known_rows,
    money,
    next_period,
    paid_versions,
    period_start,
    total,
)

Month = dt.date  # its first day


@dataclass(frozen=True)
class ValueOptions(Options):
    """What a build is for, with the choices that only customer value knows."""

    revenue_basis: str = "accrued"
    gross_margin: Decimal = Decimal(1)
    acquisition_cost_grain: str = "quarter"
    clv_horizon_months: int = 60
    clv_discount_rate: float = 0.10
    round_means: bool = True  # mean purchase values in cents, as in the published data


@dataclass(frozen=True)
class Models:
    """Fitted parameters per account; None where there is no fit that may be used: scores are null then. A number in
    place of parameters of sBG is one probability to leave at every renewal."""

    contract: Callable[[str], Sbg | float | None] = lambda account_id: None
    purchases: Callable[[str], BgNbd | None] = lambda account_id: None
    spend: Callable[[str], GammaGamma | None] = lambda account_id: None


@dataclass(frozen=True)
class TermRun:
    """A stretch of an account's paid time under one renewal period. `left_in`: the period the customer left in, where
    he did; `completed`: the whole periods until the as-of date, or until another renewal period began."""

    account_id: str
    start: dt.date
    end: dt.date
    period_months: int
    left_in: int | None
    completed: int | None

    @property
    def is_running(self) -> bool:
        return self.end == FAR


@dataclass(frozen=True)
class Purchases:
    """The purchase history of an account as the models want it."""

    first: dt.date
    last: dt.date
    x: int
    recency_days: int
    age_days: int
    mean: Decimal  # exact mean value of the purchase days after the first, 0 without one


def spread(amount: Decimal, start: dt.date, end: dt.date, first: dt.date, last: dt.date) -> dict[Month, Decimal]:
    """The part of an amount accrued by day over [start, end) that falls on [first, last), by month. Rounded
    cumulatively from `start` on, so that the whole is the amount; a sign is put back at the end."""
    days = (end - start).days

    def accrued(day: dt.date) -> Decimal:
        sign = -1 if amount < 0 else 1
        return sign * money(abs(amount), Decimal((day - start).days), by=Decimal(days))

    found: dict[Month, Decimal] = {}
    begin = max(start, first)
    finish = min(end, last)
    while begin < finish:
        month = begin.replace(day=1)
        until = min(finish, add_months(month, 1))
        found[month] = accrued(until) - accrued(begin)
        begin = until
    return found


def allocate(amount: Decimal, weights: Mapping[str, int]) -> dict[str, Decimal]:
    """An amount split by weights, rounded cumulatively in order of the keys; nothing is lost."""
    whole, so_far, before, found = sum(weights.values()), 0, ZERO, {}
    for key in sorted(weights):
        so_far += weights[key]
        cumulated = (-1 if amount < 0 else 1) * money(abs(amount), Decimal(so_far), by=Decimal(whole))
        found[key] = cumulated - before
        before = cumulated
    return found


@dataclass
class ValueOracle:
    """Everything `account_clv` is made of, for one set of inputs as of one day."""

    inputs: Inputs
    options: ValueOptions
    models: Models = Models()

    # --- what is known --------------------------------------------------------------------------------------------

    @cached_property
    def base(self) -> Oracle:
        return Oracle(self.inputs, self.options)

    @cached_property
    def accounts(self) -> dict[str, Row]:
        """The accounts in the marts: neither test accounts nor such as were merged into another."""
        return {key: row for key, row in self.base.account_rows.items() if self.base.resolved.get(key) == key}

    @cached_property
    def paid(self) -> dict[str, Account]:
        """Accounts with a paid version in force by the as-of date."""
        found = defaultdict(list)
        for version in paid_versions(self.inputs.get("subscriptions", ()), self.base.resolved, self.options):
            found[version.account_id].append(version)
        gap = self.options.reactivation_gap_days
        return {
            key: Account(self.accounts[key], (), bridged(versions, gap), self.base.rates, self.options)
            for key, versions in found.items()
        }

    def _rows(self, entity: str, key: Sequence[str], event_time: str) -> list[dict[str, Any]]:
        """Known rows of an entity whose account counts, under the id of the account it counts as. Rows without an
        account stay as they are."""
        found = []
        for row in known_rows(self.inputs.get(entity, ()), key, event_time, self.options):
            account_id = row.get("account_id")
            if account_id is None:
                found.append(dict(row))
            elif account_id in self.base.resolved:
                found.append({**row, "account_id": self.base.resolved[account_id]})
        return found

    @cached_property
    def orders(self) -> list[dict[str, Any]]:
        """Orders before the as-of date with their day and their values in the reporting currency."""
        found = []
        for row in self._rows("orders", ["order_id"], "ordered_at"):
            day = self.options.local_day(row["ordered_at"])
            if day >= self.options.as_of:
                continue
            rate = self.base.rates.on(row["currency"], day)
            amount, returned = Decimal(row["amount"]), Decimal(row.get("returned_amount") or 0)
            found.append(
                {
                    "account_id": row["account_id"],
                    "day": day,
                    "gross": money(amount, rate),
                    "net": money(amount - returned, rate),
                    "discount": money(Decimal(row.get("discount_amount") or 0), rate),
                }
            )
        return found

    @cached_property
    def purchases(self) -> dict[str, Purchases]:
        """The purchase history of every account with orders before the as-of date; those of one day are one."""
        days: dict[str, dict[dt.date, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
        for order in self.orders:
            days[order["account_id"]][order["day"]] += order["net"]
        found = {}
        for account_id, values in days.items():
            ordered = sorted(values)
            repeats = [values[day] for day in ordered[1:]]
            found[account_id] = Purchases(
                first=ordered[0],
                last=ordered[-1],
                x=len(repeats),
                recency_days=(ordered[-1] - ordered[0]).days,
                age_days=(self.options.as_of - DAY - ordered[0]).days,
                mean=total(repeats) / len(repeats) if repeats else ZERO,
            )
        return found

    def relationship(self, account_id: str) -> str:
        if account_id in self.paid:
            return "contract"
        return "no_contract" if account_id in self.purchases else "none"

    # --- revenue ----------------------------------------------------------------------------------------------------

    @cached_property
    def revenue_months(self) -> dict[tuple[str, Month], dict[str, Decimal]]:
        """Revenue, discounts and refunds by account and calendar month before the as-of date; no rows of zeros."""
        found: dict[tuple[str, Month], dict[str, Decimal]] = defaultdict(
            lambda: {"revenue": ZERO, "discounts": ZERO, "refunds": ZERO}
        )
        if self.options.revenue_basis == "accrued":
            for account_id, account in self.paid.items():
                for version in account.versions:
                    self._accrue(found, account_id, version)
        for invoice in self._rows("invoices", ["invoice_id"], "issued_on"):
            if invoice.get("status") == "void" or invoice["issued_on"] >= self.options.as_of:
                continue
            cell = found[invoice["account_id"], invoice["issued_on"].replace(day=1)]
            rate = self.base.rates.on(invoice["currency"], invoice["issued_on"])
            cell["refunds"] += money(Decimal(invoice.get("refunded_amount") or 0), rate)
            if self.options.revenue_basis == "invoiced":
                cell["revenue"] += money(Decimal(invoice["amount"]), rate)
        for order in self.orders:
            cell = found[order["account_id"], order["day"].replace(day=1)]
            cell["revenue"] += order["gross"]
            cell["discounts"] += order["discount"]
            cell["refunds"] += order["gross"] - order["net"]
        return {key: cell for key, cell in found.items() if any(cell.values())}

    def _accrue(self, found: dict[tuple[str, Month], dict[str, Decimal]], account_id: str, version: Any) -> None:
        discount = self._discounts[version.subscription_id, version.start] if not version.is_paused else ZERO
        until = min(version.end, self.options.as_of)
        k = 0
        while (begin := add_months(version.start, k * version.interval)) < until:
            end = add_months(version.start, (k + 1) * version.interval)
            rate = self.base.rates.on(version.currency, begin)
            for name, monthly in (("revenue", version.original), ("discounts", discount)):
                whole = money(monthly * version.interval, rate)
                for month, part in spread(whole, begin, end, version.start, until).items():
                    found[account_id, month][name] += part
            k += 1

    @cached_property
    def _discounts(self) -> dict[tuple[str, dt.date], Decimal]:
        """Recurring discount a month of each version, in its own currency."""
        found = {}
        for row in known_rows(
            self.inputs.get("subscriptions", ()), ["subscription_id", "valid_from"], "valid_from", self.options
        ):
            listed = row.get("list_amount")
            quantity = Decimal(1 if row.get("quantity") is None else row["quantity"])
            below = ZERO if listed is None else max(Decimal(listed) - Decimal(row["amount"]), ZERO)
            found[row["subscription_id"], row["valid_from"]] = money(
                below, quantity, by=Decimal(row["billing_interval_months"])
            )
        return found

    # --- activity and scope -----------------------------------------------------------------------------------------

    @cached_property
    def active_days(self) -> dict[str, set[dt.date]]:
        """Per account the days before the as-of date on which it is a customer: paid days, or without contract the
        twelve months from each purchase day on."""
        found: dict[str, set[dt.date]] = {}
        for account_id, account in self.paid.items():
            found[account_id] = {day for day in account.active_days if day < self.options.as_of}
        for account_id in self.purchases.keys() - self.paid.keys():
            days: set[dt.date] = set()
            for bought in self._purchase_days[account_id]:
                until = min(add_months(bought, 12), self.options.as_of)
                days |= {bought + n * DAY for n in range((until - bought).days)}
            found[account_id] = days
        return found

    @cached_property
    def _purchase_days(self) -> dict[str, set[dt.date]]:
        found: dict[str, set[dt.date]] = defaultdict(set)
        for order in self.orders:
            found[order["account_id"]].add(order["day"])
        return found

    @cached_property
    def activity_months(self) -> dict[tuple[str, Month], dict[str, int]]:
        """Active days and tickets by account and month; a row where either is above zero."""
        days = Counter((key, day.replace(day=1)) for key, all_days in self.active_days.items() for day in all_days)
        tickets: Counter[tuple[str, Month]] = Counter()
        for ticket in self._rows("support_tickets", ["ticket_id"], "opened_at"):
            day = self.options.local_day(ticket["opened_at"])
            if day < self.options.as_of:
                tickets[ticket["account_id"], day.replace(day=1)] += 1
        return {key: {"active_days": days[key], "tickets": tickets[key]} for key in days.keys() | tickets.keys()}

    def scope(self, grain: str, start: dt.date) -> tuple[str, set[str]]:
        """The accounts the retention programme is for in a period: its active members, or all active customers where no
        active customer is a member."""
        end = min(next_period(grain, start), self.options.as_of)
        served = {key: days if key in self.paid else self._purchase_days[key] for key, days in self.active_days.items()}
        active = {key for key, days in served.items() if any(start <= day < end for day in days)}
        members = set()
        for row in self._rows("loyalty_memberships", ["account_id", "programme", "valid_from"], "valid_from"):
            until = row.get("valid_to") or FAR
            if until > self.options.as_of:
                until = FAR
            if max(row["valid_from"], start) < min(until, end):
                members.add(row["account_id"])
        return ("members", active & members) if active & members else ("customers", active)

    # --- costs ------------------------------------------------------------------------------------------------------

    @cached_property
    def cost_months(self) -> dict[tuple[str, Month], dict[str, Any]]:
        """The cost of each cost row by month, days before the as-of date only."""
        found = {}
        for row in self._rows("costs", ["cost_id"], "period_start"):
            start, end = row["period_start"], max(row["period_end"], row["period_start"] + DAY)
            if start >= self.options.as_of:
                continue
            amount = money(Decimal(row["amount"]), self.base.rates.on(row["currency"], start))
            for month, part in spread(amount, start, end, start, self.options.as_of).items():
                found[row["cost_id"], month] = {
                    "kind": row["kind"],
                    "category": row.get("category") or "unknown",
                    "channel": row.get("channel"),
                    "account_id": row.get("account_id"),
                    "cost": part,
                }
        return found

    @cached_property
    def account_costs(self) -> dict[tuple[str, Month], dict[str, Decimal]]:
        """Costs of service and of retention by account and month: named ones as they are, the rest by tickets and by
        active days."""
        return self._allocated[0]

    @cached_property
    def unallocated(self) -> dict[tuple[Month, str], Decimal]:
        """What no account could be given, by month and kind."""
        return self._allocated[1]

    @cached_property
    def _allocated(self) -> tuple[dict[tuple[str, Month], dict[str, Decimal]], dict[tuple[Month, str], Decimal]]:
        names = {"service": "cost_to_serve", "retention": "retention_cost"}
        found: dict[tuple[str, Month], dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(names.values(), ZERO))
        pools: dict[tuple[Month, str], Decimal] = defaultdict(lambda: ZERO)
        left = {}
        for (_, month), piece in self.cost_months.items():
            if piece["kind"] not in names:
                continue
            if piece["account_id"] is None:
                pools[month, piece["kind"]] += piece["cost"]
            else:
                found[piece["account_id"], month][names[piece["kind"]]] += piece["cost"]
        for (month, kind), amount in pools.items():
            weights = self._weights(month, kind)
            if not weights:
                left[month, kind] = amount
            for account_id, part in allocate(amount, weights).items():
                found[account_id, month][names[kind]] += part
        return dict(found), {key: amount for key, amount in left.items() if amount}

    def _weights(self, month: Month, kind: str) -> dict[str, int]:
        here = {key: cell for (key, start), cell in self.activity_months.items() if start == month}
        if kind == "service":
            for name in ("tickets", "active_days"):
                weights = {key: cell[name] for key, cell in here.items() if cell[name]}
                if weights:
                    return weights
            return {}
        scope = self.scope("month", month)[1]
        return {key: cell["active_days"] for key, cell in here.items() if key in scope and cell["active_days"]}

    # --- value ------------------------------------------------------------------------------------------------------

    def margin(self, account_id: str) -> Decimal:
        given = self.accounts[account_id].get("gross_margin")
        return self.options.gross_margin if given is None else Decimal(given)

    @cached_property
    def value_months(self) -> dict[tuple[str, Month], dict[str, Decimal]]:
        """Revenue, costs and contribution by account and month; a row where any of them is not zero."""
        found = {}
        nothing = {"revenue": ZERO, "discounts": ZERO, "refunds": ZERO, "cost_to_serve": ZERO, "retention_cost": ZERO}
        for key in self.revenue_months.keys() | self.account_costs.keys():
            cell = {**nothing, **self.revenue_months.get(key, {}), **self.account_costs.get(key, {})}
            if not any(cell.values()):
                continue
            earned = money(cell["revenue"] - cell["refunds"], self.margin(key[0]))
            found[key] = {**cell, "contribution": earned - cell["cost_to_serve"] - cell["retention_cost"]}
        return found

    @cached_property
    def cost_ratios(self) -> dict[tuple[str, str | None], float]:
        """Costs to serve and keep over revenue net of refunds, by relationship and business model, in the month of the
        as-of date and the twelve before it; 0 where there is no such revenue."""
        first = add_months(self.options.as_of.replace(day=1), -12)
        cells_of = defaultdict(list)
        for (key, month), cell in self.value_months.items():
            if month >= first:
                cells_of[self.kind(key)].append(cell)
        found: dict[tuple[str, str | None], float] = defaultdict(float)
        for kind, cells in cells_of.items():
            base = total(cell["revenue"] - cell["refunds"] for cell in cells)
            costs = total(cell["cost_to_serve"] + cell["retention_cost"] for cell in cells)
            found[kind] = float(costs) / float(base) if base > 0 else 0.0
        return found

    def kind(self, account_id: str) -> tuple[str, str | None]:
        return self.relationship(account_id), self.accounts[account_id].get("business_model")

    # --- acquisition ------------------------------------------------------------------------------------------------

    @cached_property
    def won_on(self) -> dict[str, dt.date]:
        """When each customer was won: the first paid day, or without contract the first purchase day."""
        found = {}
        for account_id in self.accounts:
            if account_id in self.paid:
                day = self.paid[account_id].first_paid_day
                assert day is not None
                found[account_id] = day
            elif account_id in self.purchases:
                found[account_id] = self.purchases[account_id].first
        return found

    @cached_property
    def acquisition_costs(self) -> dict[str, Decimal | None]:
        """What winning each customer has cost: rows that name the account, and its equal shares of the spend of its
        channel and of the spend without channel, in the period it was won in. Null: no row of acquisition costs (named
        or not) touches that period, and none names the account."""
        grain = self.options.acquisition_cost_grain
        direct: dict[str, Decimal] = {}
        spend: dict[tuple[dt.date, str | None], Decimal] = defaultdict(lambda: ZERO)
        touched = set()
        for (_, month), piece in self.cost_months.items():
            if piece["kind"] != "acquisition":
                continue
            period = period_start(grain, month)
            touched.add(period)
            if piece["account_id"] is not None:
                direct[piece["account_id"]] = direct.get(piece["account_id"], ZERO) + piece["cost"]
            else:
                spend[period, piece["channel"]] += piece["cost"]
        won: dict[tuple[dt.date, str | None], list[str]] = defaultdict(list)
        for account_id, day in self.won_on.items():
            period = period_start(grain, day)
            won[period, None].append(account_id)
            won[period, self.accounts[account_id].get("acquisition_channel") or "unknown"].append(account_id)
        found: dict[str, Decimal | None] = {
            account_id: direct.get(account_id, ZERO if period_start(grain, day) in touched else None)
            for account_id, day in self.won_on.items()
        }
        for key, amount in spend.items():
            if key in won:
                for account_id, part in allocate(amount, dict.fromkeys(won[key], 1)).items():
                    found[account_id] = (found[account_id] or ZERO) + part
        return found

    def payback_month(self, account_id: str) -> int | None:
        """The calendar month, counted from 1, by whose end the customer had brought in what winning him cost; 0 where
        it cost nothing, null where he has not."""
        cost = self.acquisition_costs[account_id]
        if cost is None:
            return None
        if cost == 0:
            return 0
        brought, k, first = ZERO, 0, self.won_on[account_id].replace(day=1)
        while add_months(first, k) <= self.options.as_of:
            brought += self.value_months.get((account_id, add_months(first, k)), {}).get("contribution", ZERO)
            k += 1
            if brought >= cost:
                return k
        return None

    # --- terms ------------------------------------------------------------------------------------------------------

    @cached_property
    def term_runs(self) -> list[TermRun]:
        """The term runs of every contract account, in order. A gap or another renewal period begins a new one; who goes
        over to another renewal period has not left."""
        return [run for account_id in sorted(self.paid) for run in self._runs(account_id)]

    def _runs(self, account_id: str) -> Iterable[TermRun]:
        account = self.paid[account_id]
        as_of = self.options.as_of
        start: dt.date | None = None
        period = 0
        days = sorted(account.active_days)
        for day, following in zip(days, [*days[1:], None], strict=True):
            months = _renewal_period(account, day)
            if start is not None and months != period:
                yield TermRun(account_id, start, day, period, None, complete_months(start, day) // period)
                start = None
            if start is None:
                start, period = day, months
            if following != day + DAY:
                if day == as_of:
                    yield TermRun(account_id, start, FAR, period, None, complete_months(start, as_of) // period)
                else:
                    end = day + DAY
                    left_in = 1
                    while add_months(start, left_in * period) < end:
                        left_in += 1
                    yield TermRun(account_id, start, end, period, left_in, None)
                start = None

    def _next_renewal(self, run: TermRun) -> dt.date:
        assert run.completed is not None
        return add_months(run.start, (run.completed + 1) * run.period_months)

    def known_end(self, account_id: str) -> dt.date | None:
        """The day on which the relationship is known to end: every subscription in force has one, and it is the last of
        them. From a cancellation requested before the as-of date, else, where notice was given or the contract does not
        renew, the end of the contract or its next renewal."""
        running = [run for run in self._runs(account_id) if run.is_running]
        if not running:
            return None
        renewal = self._next_renewal(running[0])
        rows = {
            (row["subscription_id"], row["valid_from"]): row
            for row in known_rows(
                self.inputs["subscriptions"], ["subscription_id", "valid_from"], "valid_from", self.options
            )
        }
        ends = []
        for holding in self.paid[account_id].holdings(self.options.as_of).values():
            version = holding.version
            row = rows[version.subscription_id, version.start]
            found = [
                entry["effective_on"]
                for entry in self._rows("cancellations", ["cancellation_id"], "requested_on")
                if entry["account_id"] == account_id
                and entry.get("subscription_id") in (None, version.subscription_id)
                and entry["requested_on"] < self.options.as_of
                and entry.get("effective_on") is not None
                and entry["effective_on"] > self.options.as_of
            ]
            notice = row.get("notice_given_on")
            if (notice is not None and notice < self.options.as_of) or row.get("auto_renews") is False:
                stated = row.get("contract_end_on")
                found.append(stated if stated is not None and stated > self.options.as_of else renewal)
            ends.append(min(found) if found else None)
        return None if None in ends else max(ends)

    def contract_score(self, account_id: str, months: int) -> tuple[float, float] | None:
        """The sum of the shares expected to pay in each of the next months, plain and discounted; null without a fit,
        nothing for one who has left."""
        running = [run for run in self._runs(account_id) if run.is_running]
        parameters = self.models.contract(account_id)
        if not running:
            return 0.0, 0.0
        if parameters is None:
            return None
        run, as_of = running[0], self.options.as_of
        n = run.completed
        assert n is not None
        renewal = self._next_renewal(run)
        until = 0
        while add_months(as_of, until) < renewal:
            until += 1
        end = self.known_end(account_id)
        plain = discounted = 0.0
        for k in range(1, months + 1):
            if end is not None and add_months(as_of, k - 1) >= end:
                break
            j = 0 if k - 1 < until else 1 + (k - 1 - until) // run.period_months
            share = _survival(parameters, n, j)
            plain += share
            discounted += share * (1 + self.options.clv_discount_rate) ** (-k / 12)
        return plain, discounted

    def period_months(self, account_id: str) -> int | None:
        """Months of the renewal period that an account is in on the as-of date."""
        return next((run.period_months for run in self._runs(account_id) if run.is_running), None)

    # --- the mart ---------------------------------------------------------------------------------------------------

    def account_clv(self) -> dict[str, dict[str, Any]]:
        """Per account the columns of `account_clv`, without intervals, tier and status. Money of the past is decimal,
        what is expected is a double."""
        return {account_id: self._account(account_id) for account_id in sorted(self.accounts)}

    def _account(self, account_id: str) -> dict[str, Any]:
        cells = [cell for (key, _), cell in self.value_months.items() if key == account_id]
        relationship = self.relationship(account_id)
        won = self.won_on.get(account_id)
        cost = self.acquisition_costs.get(account_id)
        found: dict[str, Any] = {
            "account_id": account_id,
            "relationship": relationship,
            "tenure_months": None if won is None else complete_months(won, self._last_day(account_id)),
            "historic_revenue": total(cell["revenue"] for cell in cells),
            "historic_discounts": total(cell["discounts"] for cell in cells),
            "historic_refunds": total(cell["refunds"] for cell in cells),
            "cost_to_serve": total(cell["cost_to_serve"] for cell in cells),
            "retention_cost": total(cell["retention_cost"] for cell in cells),
            "historic_clv": total(cell["contribution"] for cell in cells),
            "acquisition_cost": cost,
            "payback_month": None if won is None else self.payback_month(account_id),
            "currency": self.options.reporting_currency,
        }
        found |= dict.fromkeys(
            ("p_alive", "survival_next_term", "expected_purchases_12m", "expected_periods_12m", "expected_spend")
        )
        found |= dict.fromkeys(("predictive_clv_12m", "residual_clv", "total_clv", "clv_to_cac"))
        if relationship == "contract":
            found |= self._contract(account_id)
        elif relationship == "no_contract":
            found |= self._without_contract(account_id)
        if found["residual_clv"] is not None:
            found["total_clv"] = float(found["historic_clv"]) + found["residual_clv"]
            if cost:
                found["clv_to_cac"] = found["total_clv"] / float(cost)
        return found

    def _last_day(self, account_id: str) -> dt.date:
        """The day up to which a customer's tenure is counted: the first day not served, else the as-of date."""
        runs = [run for run in self.term_runs if run.account_id == account_id]
        return min(runs[-1].end, self.options.as_of) if runs else self.options.as_of

    def _last_day(self, account_id: str) -> dt.date:
        """The as-of date, or the day a contract ended for good."""
        runs = list(self._runs(account_id)) if account_id in self.paid else []
        return min(runs[-1].end, self.options.as_of) if runs else self.options.as_of

    def _contract(self, account_id: str) -> dict[str, Any]:
        """Scores of a contract customer. `expected_periods_12m`: months expected to be paid in the next twelve over the
        months of a renewal period; nobody survives a term that ends with a known end."""
        running = [run for run in self._runs(account_id) if run.is_running]
        parameters = self.models.contract(account_id)
        year = self.contract_score(account_id, 12)
        whole = self.contract_score(account_id, self.options.clv_horizon_months)
        if year is None or whole is None:
            return {}
        mrr = float(self.paid[account_id].mrr(self.options.as_of))
        kept = float(self.margin(account_id)) - self.cost_ratios[self.kind(account_id)]
        found: dict[str, Any] = {
            "predictive_clv_12m": mrr * kept * year[1],
            "residual_clv": mrr * kept * whole[1],
        }
        if running and parameters is not None:
            found["expected_periods_12m"] = year[0] / running[0].period_months
            assert running[0].completed is not None
            end = self.known_end(account_id)
            ends_first = end is not None and end <= self._next_renewal(running[0])
            found["survival_next_term"] = 0.0 if ends_first else _survival(parameters, running[0].completed, 1)
        return found

    def _without_contract(self, account_id: str) -> dict[str, Any]:
        """Scores of a customer without contract."""
        purchases, spend = self.models.purchases(account_id), self.models.spend(account_id)
        if purchases is None:
            return {}
        history = self.purchases[account_id]
        x, recency, age = ([float(history.x)], weeks([history.recency_days]), weeks([history.age_days]))
        found: dict[str, Any] = {
            "p_alive": float(p_alive(purchases, x, recency, age)[0]),
            "expected_purchases_12m": float(expected_purchases(purchases, 12 * WEEKS_PER_MONTH, x, recency, age)[0]),
        }
        if spend is None:
            return found
        mean = self.mean_value(account_id)
        expected = float(expected_spend(spend, x, [float(mean)])[0])
        kept = float(self.margin(account_id)) - self.cost_ratios[self.kind(account_id)]

        def value(months: int) -> float:
            rate = self.options.clv_discount_rate
            return float(discounted_purchases(purchases, x, recency, age, months, rate)[0]) * expected * kept

        return found | {
            "expected_spend": expected,
            "predictive_clv_12m": value(12),
            "residual_clv": value(self.options.clv_horizon_months),
        }

    def mean_value(self, account_id: str) -> Decimal:
        """The mean value of repeat purchases that gamma-gamma sees."""
        mean = self.purchases[account_id].mean
        return mean.quantize(Decimal("0.01"), ROUND_HALF_UP) if self.options.round_means else mean


def _survival(parameters: Sbg | float, completed: int, renewals: int) -> float:
    """The share of those who completed so many periods that is there after so many renewals more."""
    if isinstance(parameters, float):
        return float((1 - parameters) ** renewals)
    return float(sbg_survival(parameters, completed + renewals) / sbg_survival(parameters, completed))


def _renewal_period(account: Account, day: dt.date) -> int:
    """Months of the renewal period of the main subscription: its contract term, or its billing interval."""
    holdings = account.holdings(day)
    main = min(holdings, key=lambda key: (-holdings[key].reporting, key))
    version = holdings[main].version
    return version.term if version.term else version.interval
