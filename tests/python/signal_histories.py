"""Random small accounts over fourteen months, dense in what early warning must get right, as files of the contract.

Every account has times of much, little and no use, people who come and go, tickets, surveys, e-mails, invoices, orders
and contracts that are switched, paused, ended and taken up again. Rows of every entity come late, are corrected and are
deleted. Gaps are drawn around the thresholds of the signals. Some kinds of data begin only months after the first
customer, so that there is a time without them.

Beside them stand accounts of one thing each (`MET_BEFORE`), of what random ones have shown to be hard: the random ones
hold it only where `generate` is asked for all.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from oracle import DAY, Options
from signal_oracle import ENDS, ENTITIES, FACTS, known_at, without

Rows = dict[str, list[dict[str, Any]]]

FIRST_DAY = dt.date(2024, 4, 15)
AS_OF = dt.date(2025, 6, 20)
ZONES = ("UTC", "America/New_York")  # of the builds these rows are for
LAST_DAY = AS_OF + 20 * DAY  # what lies after the as-of date must not be seen

COLUMNS: dict[str, list[str]] = {
    "accounts": ["account_id", "merged_into", "is_test", "business_model", "acquired_on"],
    "subscriptions": [
        "subscription_id", "valid_from", "account_id", "product", "plan", "quantity", "amount", "list_amount",
        "currency", "billing_interval_months", "valid_to", "contract_term_months", "contract_end_on",
        "auto_renews", "is_trial", "is_paused", "notice_given_on",
    ],
    "plans": ["plan", "valid_from", "list_amount", "billing_interval_months", "currency", "seats", "tier_rank"],
    "fx_rates": ["currency", "quote_currency", "rate_on", "rate"],
    "features": ["feature", "is_core"],
    "contacts": ["contact_id", "account_id", "created_at", "left_at"],
    "contact_roles": ["contact_id", "role", "valid_from", "valid_to"],
    "cancellations": ["cancellation_id", "account_id", "subscription_id", "requested_on", "effective_on"],
    "invoices": [
        "invoice_id", "account_id", "subscription_id", "issued_on", "due_on", "paid_on", "amount", "currency", "status",
    ],
    "orders": ["order_id", "account_id", "ordered_at", "amount", "currency"],
    "usage_events": [
        "event_id", "account_id", "contact_id", "event_name", "feature", "quantity", "occurred_at",
    ],
    "usage_daily": ["account_id", "contact_id", "used_on", "feature", "event_name", "quantity"],
    "support_tickets": [
        "ticket_id", "account_id", "contact_id", "opened_at", "first_response_at", "resolved_at", "is_complaint",
        "reopened_count",
    ],
    "survey_responses": ["response_id", "account_id", "contact_id", "survey", "sent_at", "responded_at", "score"],
    "messages": [
        "message_id", "account_id", "contact_id", "channel", "purpose", "sent_at", "opened_at", "clicked_at",
        "converted_at", "unsubscribed_at",
    ],
    "milestones": ["milestone_id", "account_id", "milestone", "occurred_at"],
}  # fmt: skip
for columns in COLUMNS.values():
    columns += ["recorded_at", "is_deleted"]

# Kinds of data of a business model begin on a day of their own; earlier there is none.
BEGINNINGS = {
    ("tickets", None): dt.date(2024, 6, 10),
    ("responses", None): dt.date(2024, 7, 20),
    ("e-mails", None): dt.date(2024, 5, 20),
    ("usage", "b2b_contract"): FIRST_DAY,
    ("usage", "b2c_subscription"): dt.date(2024, 8, 12),
    ("usage", "b2c_shop"): dt.date(2025, 1, 15),
    ("onboarding", "b2b_contract"): dt.date(2024, 6, 20),
    ("onboarding", "b2c_subscription"): dt.date(2024, 9, 3),
    ("invoices", None): dt.date(2024, 7, 1),
}
CORE = ("board", "sheet")
SECONDARY = ("chat", "export", "api", "map")
# Days between what happens, around the windows and thresholds of the signals.
GAPS = [1, 1, 2, 3, 5, 6, 7, 8, 13, 14, 15, 27, 28, 29, 30, 31, 32, 45, 46, 47, 60, 90, 91, 92]
MET_BEFORE = [
    "N_told_late", "N_half_seats", "N_few_seats", "N_seats_of_two", "N_contract_told_when_over", "N_contract_undone",
    "N_buyer", "N_buyer_then_contract", "N_opening_taken_back", "N_price_after_cancelling",
    "N_cancelled_to_stated_end", "N_cancelled_undated", "N_contact_deleted", "N_month_end", "N_paid_late",
]  # fmt: skip
# Moments near the boundaries of a day in UTC and in the other time zone.
TIMES = ["00:00:00", "02:30:00", "03:59:59", "04:00:00", "05:00:00", "12:00:00", "17:45:10", "23:59:59"]


class Author:
    """Writes the rows of one account after the other."""

    def __init__(self, seed: int, *, holds_all: bool) -> None:
        self.random = random.Random(seed)
        self.holds_all = holds_all
        self.rows: Rows = {entity: [] for entity in COLUMNS}
        self._number = 0

    # --- small change ----------------------------------------------------------------------------------------------

    def one_in(self, n: float) -> bool:
        return self.random.random() < 1 / n

    def any_of(self, *values: Any) -> Any:
        return self.random.choice(values)

    def moment(self, day: dt.date) -> dt.datetime:
        return dt.datetime.fromisoformat(f"{day} {self.any_of(*TIMES)}")

    def later(self, moment: dt.datetime, *days: float) -> dt.datetime:
        """So many days after a moment, sometimes a second more or less."""
        return moment + dt.timedelta(days=self.any_of(*days), seconds=self.any_of(-1, 0, 0, 1, 3600))

    def key(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}{self._number:05d}"

    def add(self, entity: str, **row: Any) -> dict[str, Any]:
        assert set(row) <= set(COLUMNS[entity]), (entity, row)
        self.rows[entity].append(row)
        return row

    # --- accounts ----------------------------------------------------------------------------------------------------

    def account(self, number: int) -> None:
        model = ["b2b_contract", "b2b_contract", "b2c_subscription", "b2c_shop"][number % 4]
        account_id = f"A{number:03d}"
        row = self.add("accounts", account_id=account_id, business_model=model, acquired_on=None)
        start = FIRST_DAY + self.random.randrange(self.any_of(30, 200, 200, 380)) * DAY
        if number < 4:
            start = FIRST_DAY + number * DAY
        row["acquired_on"] = start - self.any_of(0, 0, 0, 1, 30) * DAY
        if number % 15 == 7:
            row["is_test"] = True
        if number % 15 == 9 and self.holds_all:  # its account is told of only after it has begun
            row["recorded_at"] = self.moment(start + self.any_of(25, 120, 240) * DAY)
        sources = [account_id]
        if number % 15 == 11:  # part of what it did stands under an account that was merged into it
            sources.append(self.add("accounts", account_id=f"{account_id}m", business_model=model)["account_id"])
            self.rows["accounts"][-1] |= {"merged_into": account_id, "acquired_on": row["acquired_on"]}
        is_shop = model == "b2c_shop"
        buys = is_shop or self.one_in(8)
        end = AS_OF + 10 * DAY
        if not is_shop or number % 16 == 3:
            end = self.subscriptions(sources, start, has_trial=self.one_in(6) and (self.holds_all or not buys))
        contacts = self.contacts(sources, start, end)
        self.usage(sources, model, start, end, contacts)
        self.tickets(sources, start, end, contacts)
        self.surveys(sources, start, end, contacts)
        self.messages(sources, start, end, contacts)
        if buys:
            begins = start if self.holds_all or (is_shop and number % 16 != 3) else start + 11 * DAY
            self.orders(sources, begins)
        if not is_shop:
            self.invoices(sources, start, end)
        self.milestones(sources, model, start, end)

    def subscriptions(self, sources: list[str], start: dt.date, has_trial: bool) -> dt.date:
        """Contracts with their switches, pauses, ends and returns; gives the last day that something may happen on."""
        end = AS_OF + 10 * DAY
        last = start
        plans = self.any_of(["small", "mid", "large"], [None, "old"])
        if self.holds_all:
            plans = ["small", "mid", "large", "old", None]
        for n in range(self.any_of(1, 1, 1, 2)):
            day = start + (self.any_of(0, 10, 100) if n else 0) * DAY
            for spell in range(self.any_of(1, 1, 2, 3)):
                until = self._subscription(self.any_of(*sources), day, plans, has_trial and not n and not spell)
                last = max(last, until)
                # the way back, often before or right on the next start of a month
                day = until + self.any_of(1, 3, 10, 20, 31, 45, 70) * DAY
                if self.one_in(3):
                    day = (until + 32 * DAY).replace(day=1)
                if day > AS_OF + 5 * DAY:
                    break
        return min(end, last + 40 * DAY)

    def _subscription(self, account_id: str, start: dt.date, plans: list[str | None], has_trial: bool) -> dt.date:
        subscription_id = self.key("S")
        term = self.any_of(None, 1, 6, 12, 12)
        price: dict[str, Any] = {
            "subscription_id": subscription_id,
            "account_id": account_id,
            "product": "suite",
            "plan": self.any_of(*plans),
            "quantity": self.any_of(1, 2, 3, *[None, Decimal("2.5")] * self.holds_all),
            "amount": Decimal(self.any_of("10", "49.95", "100", "333.3333", "0")),
            "currency": self.any_of("EUR", "EUR", "EUR", "USD"),
            "billing_interval_months": self.any_of(1, 1, 3, 12),
            "contract_term_months": term,
            "auto_renews": self.any_of(None, True, True, False, False, False),
        }
        price["list_amount"] = self.any_of(None, price["amount"], price["amount"] + 5)
        length = self.any_of(40, 61, 90, 120, 180, 250, 365, 500)
        end = start + length * DAY
        if price["auto_renews"] is not None and term:
            price["contract_end_on"] = self.any_of(end, end, start + 30 * term * DAY, None)
        changes = sorted({start + self.random.randrange(1, length) * DAY for _ in range(self.any_of(0, 0, 1, 2))})
        starts = [start, *changes]
        for n, valid_from in enumerate(starts):
            if n:
                change = self.any_of("plan", "quantity", "amount", "pause", "same")
                price.pop("is_paused", None)
                if change == "plan":
                    price["plan"] = self.any_of(*plans)
                elif change == "quantity":
                    price["quantity"] = self.any_of(1, 2, 4)
                elif change == "amount":
                    price["amount"] = Decimal(self.any_of("20", "75", "0.0001"))
                elif change == "pause":
                    price["is_paused"] = True
                if self.one_in(4):
                    price["auto_renews"] = self.any_of(None, True, False)
            row = self.add("subscriptions", valid_from=valid_from, **price)
            if has_trial and n == 0:
                row["is_trial"] = True
            following = starts[n + 1] if n + 1 < len(starts) else None
            if following:
                if self.one_in(3):
                    row["valid_to"] = self.any_of(following, following, max(valid_from + DAY, following - 5 * DAY))
            elif not self.one_in(4):
                row["valid_to"] = end
            if self.one_in(3) and end - 60 * DAY > valid_from:
                row["notice_given_on"] = end - self.any_of(60, 30, 14, 1, 0) * DAY
            if self.one_in(12):
                self.later_told("subscriptions", row)
        if self.one_in(3):
            requested = max(start, end - self.any_of(90, 45, 30, 10) * DAY)
            self.add(
                "cancellations",
                cancellation_id=self.key("X"),
                account_id=account_id,
                subscription_id=self.any_of(subscription_id, subscription_id, None),
                requested_on=requested,
                effective_on=self.any_of(end, end, requested + 20 * DAY, *[None] * self.holds_all),
            )
        return end

    # --- people ------------------------------------------------------------------------------------------------------

    def contacts(self, sources: list[str], start: dt.date, end: dt.date) -> list[str]:
        found = []
        for n in range(self.any_of(1, 2, 3, 4)):
            contact_id = self.key("C")
            found.append(contact_id)
            # mostly long known; some become known with or after their role
            created = self.moment(start - self.any_of(50, 20, 5, 2, 1, 0, -15) * DAY)
            row = self.add("contacts", contact_id=contact_id, account_id=self.any_of(*sources), created_at=created)
            if self.one_in(9):
                row["created_at"] = None
            if self.one_in(8) and self.holds_all:  # taken out of the records, long after
                told = self.moment(start + self.any_of(100, 200, 300) * DAY)
                self.add("contacts", **{**row, "is_deleted": True, "recorded_at": told})
            if self.one_in(2.5):
                row["left_at"] = self.moment(start + self.random.randrange(30, 400) * DAY)
                if self.one_in(4):
                    row["recorded_at"] = self.later(row["left_at"], 1, 5, 40)
            kinds = ["champion", "decision_maker", "power_user", "power_user", "user"]
            for role in sorted({self.any_of(*kinds) for _ in range(1 if n else 2)}):
                begins = start + self.any_of(0, 0, 0, -10, 20, 60) * DAY
                for _ in range(self.any_of(1, 1, 2)):
                    given = self.add("contact_roles", contact_id=contact_id, role=role, valid_from=begins)
                    if self.one_in(6):
                        self.later_told("contact_roles", given)
                    if not self.one_in(3):
                        break
                    given["valid_to"] = begins + self.any_of(30, 90, 150, 200) * DAY
                    if row.get("left_at") and self.one_in(
                        3
                    ):  # the role ends on the day the person leaves, or beside it
                        beside = row["left_at"].date() + self.any_of(-1, 0, 1) * DAY
                        given["valid_to"] = max(given["valid_from"] + DAY, beside)
                    begins = given["valid_to"] + self.any_of(0, 0, 1, 30) * DAY
                    if self.one_in(2):
                        role = self.any_of("champion", "decision_maker", "power_user")
        return found

    # --- use ---------------------------------------------------------------------------------------------------------

    def usage(self, sources: list[str], model: str, start: dt.date, end: dt.date, contacts: list[str]) -> None:
        """Phases of a pace each, some of them silent; log-ins, core and secondary features come and go on their own."""
        begins = BEGINNINGS["usage", model]
        day = max(start, begins)
        taken: set[tuple[Any, ...]] = set()
        if self.one_in(9):
            return
        while day < min(end, LAST_DAY):
            length = self.any_of(20, 28, 29, 30, 31, 56, 90)
            pace = self.any_of(0, 0, 1, 2, 4, 8)  # days between uses; 0: none
            features = [*self.random.sample(CORE, self.any_of(0, 1, 1, 2))]
            features += self.random.sample(SECONDARY, self.any_of(0, 1, 2, 3, 4))
            quantity = self.any_of(1, 1, 2, 5, Decimal("1.5"), Decimal("0.7"))
            people = self.random.sample(contacts, self.random.randrange(len(contacts) + 1))
            last = day + length * DAY
            while pace and day < last:
                self._use(sources, day, self.any_of(None, *people), "login", quantity, taken)
                if features and not self.one_in(3):
                    self._use(sources, day, self.any_of(None, *people), self.any_of(*features), quantity, taken)
                day += self.any_of(pace, pace, pace + 1) * DAY
            day = max(day, last)

    def _use(
        self, sources: list[str], day: dt.date, contact: str | None, feature: str, quantity: Any, taken: set[Any]
    ) -> None:
        account_id = self.any_of(*sources)
        if self.one_in(25):
            quantity = 0
        if feature == "login" or self.one_in(2):
            name = "login" if feature == "login" else self.any_of("open", "download")
            self.add(
                "usage_events",
                event_id=self.key("E"),
                account_id=account_id,
                contact_id=contact,
                event_name=name,
                feature=None if feature == "login" else feature,
                quantity=self.any_of(None, quantity),
                occurred_at=self.moment(day),
            )
        elif (account_id, contact, day, feature) not in taken:
            taken.add((account_id, contact, day, feature))
            row = self.add(
                "usage_daily",
                account_id=account_id,
                contact_id=contact,
                used_on=day,
                feature=feature,
                event_name=self.any_of(None, "open"),
                quantity=quantity,
            )
            if self.one_in(8) and (account_id, contact, day, "login") not in taken:  # log-ins as totals of a day
                taken.add((account_id, contact, day, "login"))
                self.add("usage_daily", **{**row, "feature": "login", "event_name": self.any_of(None, "login")})

    # --- service -----------------------------------------------------------------------------------------------------

    def tickets(self, sources: list[str], start: dt.date, end: dt.date, contacts: list[str]) -> None:
        if self.one_in(6):
            return
        day = max(start, BEGINNINGS["tickets", None]) + self.any_of(0, 3, 40) * DAY
        while day < min(end, LAST_DAY):
            for _ in range(self.any_of(1, 1, 1, 2, 4, 6)):
                opened = self.moment(day + self.any_of(0, 0, 1, 2) * DAY)
                row = self.add(
                    "support_tickets",
                    ticket_id=self.key("K"),
                    account_id=self.any_of(*sources),
                    contact_id=self.any_of(None, *contacts),
                    opened_at=opened,
                    is_complaint=self.any_of(None, False, False, True),
                    reopened_count=self.any_of(None, 0, 1),
                )
                if opened.date() >= BEGINNINGS["responses", None] and not self.one_in(5):
                    row["first_response_at"] = max(opened, self.later(opened, 0, 0.1, 1, 1.9, 2, 2, 2.1, 3, 10))
                if not self.one_in(5):
                    row["resolved_at"] = max(opened, self.later(opened, 0.5, 2, 6, 7, 8, 9, 20, 60))
                    if row.get("first_response_at") and self.one_in(2):
                        row["resolved_at"] = max(row["resolved_at"], row["first_response_at"])
            day += self.any_of(*GAPS, 100, 120, 180) * DAY

    def surveys(self, sources: list[str], start: dt.date, end: dt.date, contacts: list[str]) -> None:
        day = start + self.any_of(20, 60, 90) * DAY
        while day < min(end, LAST_DAY):
            survey = self.any_of("nps", "nps", "csat", "csat", "cancel_reason")
            for _ in range(self.any_of(1, 1, 2, 3)):
                sent = self.moment(day)
                row = self.add(
                    "survey_responses",
                    response_id=self.key("R"),
                    account_id=self.any_of(*sources),
                    contact_id=self.any_of(None, *contacts),
                    survey=survey,
                    sent_at=sent,
                )
                if not self.one_in(5):
                    row["responded_at"] = max(sent, self.later(sent, 0, 0.2, 1, 3, 30))
                    row["score"] = self.random.randrange(11) if survey == "nps" else self.random.randrange(1, 6)
                    if survey == "cancel_reason" or self.one_in(12):
                        row["score"] = None
            day += self.any_of(1, 5, 20, 45, 89, 90, 91, 130, 181) * DAY

    def messages(self, sources: list[str], start: dt.date, end: dt.date, contacts: list[str]) -> None:
        if self.one_in(5):
            return
        day = max(start - 10 * DAY, BEGINNINGS["e-mails", None])
        opens = self.any_of(1.2, 3, 12, 50)  # of how many e-mails one is opened
        while day < LAST_DAY:
            sent = self.moment(day)
            row = self.add(
                "messages",
                message_id=self.key("M"),
                account_id=self.any_of(*sources),
                contact_id=self.any_of(None, *contacts),
                channel=self.any_of("email", "email", "email", "email", "chat", "postcard"),
                purpose=self.any_of("newsletter", "trigger", "service"),
                sent_at=sent,
            )
            if self.one_in(opens):
                row["opened_at"] = max(sent, self.later(sent, 0, 0.1, 1, 6, 7, 8, 30))
                if self.one_in(4):
                    row["clicked_at"] = self.later(row["opened_at"], 0.01, 2)
                if self.one_in(12):
                    row["converted_at"] = self.later(row["opened_at"], 1, 5)
            if self.one_in(12):
                row["unsubscribed_at"] = max(sent, self.later(sent, 0, 1, 10))
            day += self.any_of(1, 6, 7, 7, 8, 14, 30, 60, 182) * DAY

    # --- money -------------------------------------------------------------------------------------------------------

    def orders(self, sources: list[str], start: dt.date) -> None:
        day = start
        gaps = [0, 1, 20, 32, 60, 120, 200] if self.one_in(2) else [1, 360, 364, 365, 366, 367, 368]
        while day < LAST_DAY:
            self.add(
                "orders",
                order_id=self.key("O"),
                account_id=self.any_of(*sources),
                ordered_at=self.moment(day),
                amount=Decimal(self.any_of("10", "25.50")),
                currency="EUR",
            )
            day += self.any_of(*gaps) * DAY

    def invoices(self, sources: list[str], start: dt.date, end: dt.date) -> None:
        day = start + self.any_of(0, 14) * DAY
        while day < min(end, LAST_DAY):
            due = self.any_of(day + 14 * DAY, day + 14 * DAY, day, None)
            if day < BEGINNINGS["invoices", None]:
                due = None
            row = self.add(
                "invoices",
                invoice_id=self.key("I"),
                account_id=self.any_of(*sources),
                issued_on=day,
                due_on=due,
                amount=Decimal(self.any_of("100", "100", "100", "-20", "0")),
                currency="EUR",
                status=self.any_of(None, "open", "open", "open", "failed", "void"),
            )
            if not self.one_in(5):
                row["paid_on"] = max(day, (due or day) + self.any_of(-5, 0, 1, 13, 14, 15, 16, 46, 80) * DAY)
                if self.one_in(3):
                    row["status"] = "paid"
            elif self.one_in(2):  # the status says what no date says, from when it was told on
                told = self.moment(day + self.any_of(20, 30, 60) * DAY)
                self.add("invoices", **{**row, "status": self.any_of("paid", "void", "failed"), "recorded_at": told})
            day += self.any_of(30, 31, 60, 92) * DAY

    def milestones(self, sources: list[str], model: str, start: dt.date, end: dt.date) -> None:
        kinds = ["business_review", "success_event", "integration_live"]
        begins = BEGINNINGS.get(("onboarding", model))
        if begins and not self.one_in(3):
            done = start + self.any_of(5, 29, 30, 31, 60, 119, 120, 121) * DAY
            if done >= begins:
                kinds.append("onboarding_completed")
                self._milestone(sources, "onboarding_completed", done)
        for _ in range(self.any_of(0, 1, 2)):
            self._milestone(sources, self.any_of(*kinds[:3]), start + self.random.randrange(300) * DAY)

    def _milestone(self, sources: list[str], milestone: str, day: dt.date) -> None:
        self.add(
            "milestones",
            milestone_id=self.key("L"),
            account_id=self.any_of(*sources),
            milestone=milestone,
            occurred_at=self.moment(day),
        )

    # --- what all share ---------------------------------------------------------------------------------------------

    def lists(self) -> None:
        """Prices, rates and features."""
        for plan, seats, rank in [("small", 5, 1), ("mid", 20, 2), ("large", 100, 3), ("old", None, None)]:
            for valid_from in (FIRST_DAY - 60 * DAY, dt.date(2024, 11, 5)):
                self.add(
                    "plans",
                    plan=plan,
                    valid_from=valid_from,
                    list_amount=100,
                    billing_interval_months=1,
                    currency="EUR",
                    seats=seats and seats + valid_from.month,
                    tier_rank=rank,
                )
        late = dt.datetime(2025, 1, 10, 9)
        self.rows["plans"][1]["recorded_at"] = late
        self.add("plans", **{**self.rows["plans"][3], "seats": 33, "recorded_at": late})
        day, n = FIRST_DAY - 400 * DAY, 0
        while day < LAST_DAY:
            rate = Decimal(90 + n % 9).scaleb(-2)
            row = self.add("fx_rates", currency="USD", quote_currency="EUR", rate_on=day, rate=rate)
            if n % 3 == 0 and self.holds_all:
                told = dt.datetime.combine(day + 40 * DAY, dt.time(12))
                self.add("fx_rates", **{**row, "rate": rate + Decimal("0.005"), "recorded_at": told})
            day, n = day + 5 * DAY, n + 1
        for feature in (*CORE, *SECONDARY, "login"):
            self.add("features", feature=feature, is_core=feature in CORE)
        self.rows["features"][-2]["is_core"] = None

    def met_before(self) -> None:
        """Accounts of one thing each, of what other draws have met once and these may miss."""
        start = dt.date(2024, 6, 1)

        def of(name: str, *entities: tuple[str, dict[str, Any]], contract: bool = True, **account: Any) -> None:
            self.add(
                "accounts", **{"account_id": name, "business_model": "b2b_contract", "acquired_on": start, **account}
            )
            plain = {"valid_from": start, "amount": 100, "currency": "EUR", "billing_interval_months": 1}
            if contract:
                entities = (("subscriptions", {}), *entities)
            for n, (entity, row) in enumerate(entities):
                key = {
                    column: f"{name}{n}"
                    for column in ENTITIES[entity][0]
                    if column.endswith("_id") and column != "account_id" and column not in row
                }
                given = {**(plain if entity == "subscriptions" else {}), **key, **row}
                self.add(entity, **(given if entity == "contact_roles" else {"account_id": name, **given}))

        def day(month: int, of_month: int, year: int = 2024) -> dt.date:
            return dt.date(year, month, of_month)

        def noon(month: int, of_month: int, year: int = 2024) -> dt.datetime:
            return dt.datetime(year, month, of_month, 12)

        # of an account told of late nothing was known before
        of("N_told_late", recorded_at=noon(3, 15, 2025))
        # seats are counted per subscription, and need not be whole
        of("N_half_seats", ("subscriptions", {"quantity": Decimal("2.5")}), contract=False)
        of("N_few_seats", ("subscriptions", {"quantity": Decimal("0.4")}), contract=False)
        of("N_seats_of_two", ("subscriptions", {"quantity": 2, "plan": "large"}))
        # what is believed on a day decides whether a buyer has had a contract, neither more nor less
        order = ("orders", {"ordered_at": noon(6, 1), "amount": 10, "currency": "EUR"})
        over = {"valid_from": day(7, 1), "valid_to": day(8, 1), "recorded_at": noon(9, 10)}
        of("N_contract_told_when_over", order, ("subscriptions", over), contract=False)
        mistake = {"subscription_id": "N_mistake", "valid_from": day(7, 1)}
        undone = {**mistake, "is_deleted": True, "recorded_at": noon(7, 20)}
        of("N_contract_undone", order, ("subscriptions", mistake), ("subscriptions", undone), contract=False)
        # a contract to come is no data of the time before it
        of("N_buyer", order, contract=False)
        of("N_buyer_then_contract", order, ("subscriptions", {"valid_from": day(3, 1, 2025)}), contract=False)
        # the e-mails before one that was opened are unread again once that one is gone
        read = {"message_id": "N_read", "channel": "email", "sent_at": noon(7, 8), "opened_at": noon(7, 9)}
        gone = ("messages", {**read, "is_deleted": True, "recorded_at": noon(9, 1)})
        of("N_opened_mail_deleted", *_mails("N_m"), ("messages", read), gone)
        # an opening that was taken back before its day never was
        unread = {"message_id": "N_unread", "channel": "email", "sent_at": noon(7, 8)}
        soon = ("messages", {**unread, "opened_at": noon(7, 28)})
        of("N_opening_taken_back", *_mails("N_u"), soon, ("messages", {**unread, "recorded_at": noon(7, 15)}))
        # a cancellation without a date runs to the end of the term it was requested in, whatever changes on the way
        agreed = {"subscription_id": "N_agreed", "contract_term_months": 12}
        asked = ("cancellations", {"requested_on": day(9, 15)})
        again = ("subscriptions", {**agreed, "amount": 90, "valid_from": day(10, 1)})
        of("N_price_after_cancelling", ("subscriptions", agreed), again, asked, contract=False)
        stated = {"contract_term_months": 12, "contract_end_on": day(12, 1), "auto_renews": True}
        of("N_cancelled_to_stated_end", ("subscriptions", stated), asked, contract=False)
        of("N_cancelled_undated", asked)
        # terms are counted from the first day: 31 August, 28 February, 31 March
        ultimo = {"valid_from": day(8, 31), "notice_given_on": day(2, 13, 2025)}
        of("N_month_end", ("subscriptions", ultimo), contract=False)
        # a person deleted later was there before
        contact = {"contact_id": "N_champion", "created_at": noon(5, 1), "left_at": noon(8, 10)}
        role = ("contact_roles", {"contact_id": "N_champion", "role": "champion", "valid_from": start})
        deleted = ("contacts", {**contact, "is_deleted": True, "recorded_at": noon(3, 1, 2025)})
        of("N_contact_deleted", ("contacts", contact), role, deleted)
        # a status of paid holds from the day of the payment
        paid = {"issued_on": day(7, 18), "due_on": day(8, 1), "paid_on": day(10, 1), "amount": 50, "currency": "EUR"}
        of("N_paid_late", ("invoices", {**paid, "status": "paid"}))
        # a rate corrected later was another one before
        of("N_rate_corrected", ("subscriptions", {"currency": "GBP", "valid_from": day(6, 15)}), contract=False)
        rates = {"currency": "GBP", "quote_currency": "EUR", "rate": Decimal("1.1")}
        for n in range(0, 430, 5):
            self.add("fx_rates", **rates, rate_on=start + n * DAY)
        right = {**rates, "rate": Decimal("1.2"), "rate_on": day(1, 12, 2025), "recorded_at": noon(3, 1, 2025)}
        self.add("fx_rates", **right)

    def later_told(self, entity: str, row: dict[str, Any]) -> None:
        """The row became known some time after it should have."""
        moment = known_at(row, entity, Options(AS_OF))
        row["recorded_at"] = self.moment((moment + self.any_of(1, 2, 9, 33, 70) * DAY).date())

    def second_thoughts(self) -> None:
        """Late, corrected and deleted rows of every entity."""
        buyers = {row["account_id"][:4] for row in self.rows["orders"]}
        for entity in ENTITIES:
            if entity == "plans":
                continue
            for row in list(self.rows[entity]):
                if entity == "subscriptions" and row["account_id"][:4] in buyers and not self.holds_all:
                    row["recorded_at"] = None
                    continue
                if not row.get("recorded_at") and self.one_in(20):
                    self.later_told(entity, row)
                if row.get("is_deleted") or not self.one_in(15 if entity != "subscriptions" else 10):
                    continue
                at = known_at(row, entity, Options(AS_OF)) + dt.timedelta(hours=self.any_of(1, 30, 200, 900, 2500))
                change = self.random.choice([self._deleted, self._changed, self._changed])
                if not self.holds_all:
                    if entity == "contacts":
                        change = self._changed
                    if entity == "messages" and row.get("opened_at"):
                        continue
                again = {**change(entity, row), "recorded_at": at}
                self.rows[entity].append(again)
                if self.one_in(4):  # and back again
                    back = {**row, "recorded_at": at + dt.timedelta(hours=self.any_of(5, 300, 1000))}
                    self.rows[entity].append(back)

    def _deleted(self, entity: str, row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "is_deleted": True}

    def _changed(self, entity: str, row: dict[str, Any]) -> dict[str, Any]:
        opening: dict[str, Any] = {"opened_at": None, "clicked_at": None, "converted_at": None}
        if entity == "messages" and self.one_in(2):
            opening["opened_at"] = row["sent_at"] + 9 * DAY
        changes: dict[str, Callable[[], dict[str, Any]]] = {
            "subscriptions": lambda: self.any_of(
                {"valid_to": None},
                {"valid_to": row["valid_from"] + self.any_of(20, 60, 100, 200) * DAY},
                {"valid_to": row["valid_from"]},
                {"notice_given_on": None},
                {"notice_given_on": row["valid_from"] + 30 * DAY},
                {"auto_renews": self.any_of(None, True, False)},
                {"is_paused": not row.get("is_paused"), "quantity": 2},
            ),
            "contacts": lambda: self.any_of(
                {"left_at": None}, {"left_at": (row.get("created_at") or self.moment(FIRST_DAY)) + 100 * DAY}
            ),
            "contact_roles": lambda: {"valid_to": self.any_of(None, row["valid_from"] + self.any_of(50, 100) * DAY)},
            "cancellations": lambda: {"effective_on": row["requested_on"] + self.any_of(10, 60) * DAY},
            "invoices": lambda: self.any_of({"paid_on": None}, {"status": "void"}, {"amount": Decimal("5")}),
            "orders": lambda: {"ordered_at": row["ordered_at"] - self.any_of(1, 10) * DAY},
            "usage_events": lambda: self.any_of(
                {"quantity": self.any_of(0, 1, 7)}, {"occurred_at": row["occurred_at"] - 3 * DAY}
            ),
            "usage_daily": lambda: {"quantity": self.any_of(0, 1, 9)},
            "support_tickets": lambda: self.any_of(
                {"resolved_at": None},
                {"is_complaint": not row.get("is_complaint")},
                {"first_response_at": self.any_of(None, row["opened_at"] + self.any_of(1, 2, 3) * DAY)},
                {"opened_at": row["opened_at"] - 2 * DAY},
            ),
            "survey_responses": lambda: self.any_of(
                {"score": self.any_of(None, 1, 4, 5)}, {"responded_at": row["sent_at"] + 2 * DAY, "score": 3}
            ),
            "messages": lambda: self.any_of(
                {"channel": self.any_of("email", "chat")}, {"unsubscribed_at": None}, *[opening] * self.holds_all
            ),
            "milestones": lambda: self.any_of(
                {"milestone": self.any_of("referral", "onboarding_completed")},
                {"occurred_at": row["occurred_at"] - 5 * DAY},
            ),
        }  # fmt: skip
        return {**row, **changes[entity]()}


def _mails(prefix: str) -> list[tuple[str, dict[str, Any]]]:
    """Five e-mails, a day apart."""
    sent = [dt.datetime(2024, 7, n, 12) for n in range(1, 6)]
    return [
        ("messages", {"message_id": f"{prefix}{n}", "channel": "email", "sent_at": at}) for n, at in enumerate(sent)
    ]


def generate(accounts: int = 60, seed: int = 4, *, holds_all: bool = False) -> Rows:
    """The same accounts for the same seed."""
    author = Author(seed, holds_all=holds_all)
    author.lists()
    for number in range(accounts):
        author.account(number)
    author.second_thoughts()
    author.met_before()
    rows = author.rows
    for entity, (key, _, _) in ENTITIES.items():
        rows[entity] = _without_ties(rows[entity], key, entity)
    return rows


def _without_ties(rows: Iterable[dict[str, Any]], key: list[str], entity: str) -> list[dict[str, Any]]:
    """Of rows with the same key that became known in the same moment the first: which of two such wins is not said."""
    taken: set[tuple[Any, ...]] = set()
    kept = []
    for row in rows:
        for zone in ZONES:
            moment = known_at(row, entity, Options(AS_OF, reporting_time_zone=zone))
            identity = (zone, moment, *(row.get(column) for column in key))
            if identity in taken:
                break
            taken.add(identity)
        else:
            kept.append(row)
    return kept


def write(folder: Path, rows: Rows) -> Path:
    """Writes the rows as files of the input contract."""
    from project import write_entity

    for entity, found in rows.items():
        write_entity(folder, entity, found, COLUMNS[entity])
    return folder


# --- the same input, seen earlier -----------------------------------------------------------------------------------


def is_known(entity: str, row: dict[str, Any], options: Options) -> bool:
    """Whether a row was told before the as-of date of the options."""
    if entity == "features":
        return True
    times = {**ENTITIES, "accounts": (["account_id"], "acquired_on", "before"), "fx_rates": ([], "rate_on", "before")}
    if entity in times and entity not in ENTITIES:
        column = times[entity][1]
        if row.get("recorded_at"):
            return bool(row["recorded_at"] < options.moment)
        return row.get(column) is None or row[column] <= options.as_of
    return known_at(row, entity, options) < options.moment


def later_facts(entity: str, row: dict[str, Any], options: Options) -> list[str]:
    """The columns whose facts had not happened by the as-of date of the options."""
    found = []
    for column in FACTS.get(entity, []):
        value = row.get(column)
        if value is not None:
            day = options.local_day(value) if isinstance(value, dt.datetime) else value
            if day >= options.as_of:
                found.append(column)
    return found + [c for c in ENDS.get(entity, []) if row.get(c) is not None and row[c] > options.as_of]


def cut(rows: Rows, options: Options) -> Rows:
    """What an export on the as-of date of the options would have held."""
    return {
        entity: [
            {**row, **without(row, later_facts(entity, row, options))}
            for row in found
            if is_known(entity, row, options)
        ]
        for entity, found in rows.items()
    }


def scrambled(rows: Rows, options: Options, seed: int = 5) -> Rows:
    """The rows with everything told after the as-of date of the options, and every fact that happened after it, changed
    at random. Accounts stay: their attributes and merges have no past."""
    chance = random.Random(seed)
    found: Rows = {}
    for entity, given in rows.items():
        found[entity] = []
        for row in given:
            row = dict(row)
            if entity in ("accounts", "features"):
                found[entity].append(row)
                continue
            if not is_known(entity, row, options):
                if chance.random() < 0.3 and entity != "fx_rates":  # without a rate there would be no build
                    continue
                row = _disturbed(entity, row, chance)
            later = later_facts(entity, row, options)
            row |= {column: value for column, value in without(row, later).items() if column not in later}
            for column in later:
                value = row[column]
                row[column] = chance.choice([None, value + 3 * DAY, value + 40 * DAY])
            found[entity].append(row)
    return found


def _disturbed(entity: str, row: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Another row of the same key, told when this one was, and valid."""
    values: dict[str, list[Any]] = {
        "quantity": [0, 3, 50],
        "event_name": ["login", "open"],
        "is_complaint": [True, False],
        "score": [1, 3, 5],
        "channel": ["email", "chat"],
        "milestone": ["onboarding_completed", "referral"],
        "status": ["paid", "void", "failed", "open"],
        "amount": [Decimal("77"), Decimal("1")],
        "is_paused": [True, False],
        "is_trial": [True, False],
        "auto_renews": [True, False, None],
        "seats": [1, 1000],
        "rate": [Decimal("2"), Decimal("0.5")],
        "is_deleted": [True, False],
    }
    columns = [column for column in values if column in COLUMNS[entity]]
    if entity == "fx_rates":
        columns.remove("is_deleted")
    return {**row, **{column: chance.choice(values[column]) for column in columns}}
