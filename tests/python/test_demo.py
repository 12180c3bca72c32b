"""The demo CRM: reproducible, true to the contract, and what was planted in it comes back out of the marts."""

from __future__ import annotations

import csv
import datetime as dt
import importlib.util
import itertools
import json
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from knowledge import contract
from project import ROOT, Warehouse

FOLDER = ROOT / "seeds" / "demo"
TRUTH: dict[str, Any] = json.loads((FOLDER / "planted_truth.json").read_text(encoding="utf-8"))
AS_OF = dt.date.fromisoformat(TRUTH["as_of_date"])
CONTRACT_LENGTHS = {"month to month": "1", "1 year": "12", "2 years and longer": "24"}
Interval = tuple[float, float]


def load_generator() -> ModuleType:
    """scripts/demo.py of this working copy, installed or not."""
    spec = importlib.util.spec_from_file_location("bestand_demo", ROOT / "scripts" / "demo.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@cache
def table(entity: str) -> list[dict[str, str]]:
    with (FOLDER / f"demo_{entity}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def wilson(hits: int, base: int, z: float = 1.959964) -> Interval:
    share = hits / base
    centre = share + z * z / (2 * base)
    margin = z * math.sqrt(share * (1 - share) / base + z * z / (4 * base * base))
    return (centre - margin) / (1 + z * z / base), (centre + margin) / (1 + z * z / base)


def assert_recovers(hits: int, base: int, planted: float, what: str) -> None:
    """The planted value lies in the 99 % interval of what is counted (some thirty such looks are taken)."""
    low, high = wilson(hits, base, 2.575829)
    assert low <= planted <= high, f"{what}: {hits} of {base} is [{low:.4f}, {high:.4f}], planted {planted}"


def add_months(day: dt.date, months: int) -> dt.date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = (dt.date(year + month // 11, (month + 1) % 12 + 1, 1) - dt.timedelta(1)).day
    return dt.date(year, month + 1, min(day.day, last))


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text[:10])


# --- the files ------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    load_generator().write_demo(tmp_path)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.name in written}
    assert sorted(written) == sorted(
        path.name for path in FOLDER.iterdir() if path.suffix == ".csv" or path.name == "planted_truth.json"
    )
    differing = [name for name in written if written[name] != committed[name]]
    assert differing == []


def test_the_demo_stays_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2_000_000
    # above 1 MiB dbt stops looking into a seed when it asks what has changed
    assert max(path.stat().st_size for path in FOLDER.glob("*.csv")) < 1_048_576


def test_columns_are_those_of_the_contract() -> None:
    entities = contract()
    assert {path.stem for path in FOLDER.glob("*.csv")} == {f"demo_{entity}" for entity in entities}
    for entity, spec in entities.items():
        columns = list(table(entity)[0])
        known = [*spec["columns"], "recorded_at", "is_deleted", "source_system"]
        assert columns[: len(spec["columns"])] == list(spec["columns"]), entity
        assert columns == [name for name in known if name in columns], entity
        extra = columns[len(spec["columns"]) :]
        assert all(any(row[name] for row in table(entity)) for name in extra), f"{entity}: {extra} not used"


def test_few_rows_of_any_entity_are_dirty() -> None:
    dirty = Counter(row["entity"] for row in TRUTH["dirty_rows"] if row["reason"] != "parent_quarantined")
    assert dirty
    for entity, count in dirty.items():
        assert count / len(table(entity)) < 0.05, entity


def test_every_day_has_an_exchange_rate_fresh_enough() -> None:
    for currency in ("USD", "GBP"):
        days = sorted(
            day(row["rate_on"]) for row in table("fx_rates") if row["currency"] == currency and row["rate"] != "n/a"
        )
        assert days[0] <= dt.date(2023, 12, 31) and days[-1] >= AS_OF - dt.timedelta(7)
        assert max((later - earlier).days for earlier, later in itertools.pairwise(days)) <= 7


def test_every_kind_of_row_the_contract_speaks_of_is_there() -> None:
    versions = table("subscriptions")
    assert {row["currency"] for row in versions} >= {"EUR", "USD", "GBP"}
    assert {row["billing_interval_months"] for row in versions} >= {"1", "3", "12"}
    assert {row["contract_term_months"] for row in versions} >= {"", "1", "12", "24"}
    assert any(row["auto_renews"] == "false" for row in versions)
    assert any(row["valid_from"] == row["valid_to"] for row in versions)
    assert all(
        TRUTH[name]
        for name in (
            "test_accounts", "merged", "trial_only", "trials_converted", "paused", "same_day_switches",
            "notice_pending", "discount_dependent", "complaining", "zombies", "returners", "joined_and_left",
            "left_and_returned",
        )
    )  # fmt: skip
    for entity, spec in contract().items():
        for column, properties in spec["columns"].items():
            missing = set(properties.get("values", [])) - {row[column] for row in table(entity)}
            assert not missing, f"{entity}.{column}: no row has {missing}"


# --- the planted effects, counted from the files without dbt ----------------------------------------------------------


@cache
def spells() -> dict[str, list[tuple[dt.date, dt.date | None]]]:
    """Stretches of paid service per customer, from the clean rows: newest version known at the as-of date."""
    refused = [dirty["row"] for dirty in TRUTH["dirty_rows"] if dirty["reason"] != "duplicate"]
    newest: dict[tuple[str, str], dict[str, str]] = {}
    for row in table("subscriptions"):
        if {name: value for name, value in row.items() if value} in refused:
            continue
        if row["recorded_at"] and day(row["recorded_at"]) >= AS_OF:
            continue
        key = (row["subscription_id"], row["valid_from"])
        if key not in newest or row["recorded_at"] > newest[key]["recorded_at"]:
            newest[key] = row
    versions: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in newest.values():
        versions[row["subscription_id"]].append(row)
    stretches: dict[str, list[tuple[dt.date, dt.date]]] = defaultdict(list)
    for chain in versions.values():
        chain.sort(key=lambda row: row["valid_from"])
        for row, following in zip(chain, [*chain[1:], None], strict=True):
            ends = [day(row["valid_to"])] if row["valid_to"] and day(row["valid_to"]) <= AS_OF else []
            ends += [day(following["valid_from"])] if following else []
            start, end = day(row["valid_from"]), min(ends, default=dt.date.max)
            if row["is_trial"] != "true" and start < end and start <= AS_OF:
                stretches[TRUTH["merged"].get(row["account_id"], row["account_id"])].append((start, end))
    joined: dict[str, list[tuple[dt.date, dt.date | None]]] = {}
    for account, parts in stretches.items():
        if account in TRUTH["test_accounts"]:
            continue
        whole: list[tuple[dt.date, dt.date]] = []
        for start, end in sorted(parts):
            if whole and start <= whole[-1][1]:
                whole[-1] = (whole[-1][0], max(end, whole[-1][1]))
            else:
                whole.append((start, end))
        joined[account] = [(start, None if end == dt.date.max else end) for start, end in whole]
    return joined


def models() -> dict[str, str]:
    return {row["account_id"]: row["business_model"] for row in table("accounts")}


def champion_counts(
    departures: Iterable[tuple[str, dt.date]], lives: Mapping[str, list[tuple[dt.date, dt.date | None]]]
) -> tuple[int, int, int, int]:
    """(departures whose six months are over, churned within them, account-months outside such windows, churned)."""
    windows = defaultdict(list)
    for account, left in departures:
        windows[account].append((left, add_months(left, TRUTH["champion"]["window_months"])))
    over = churned_after = months = churned = 0
    for account, parts in lives.items():
        for left, until in windows[account]:
            if until <= AS_OF:
                over += 1
                churned_after += any(end is not None and left < end <= until for _, end in parts)
        for start, end in parts:
            on = add_months(start, 1)
            on = on if on.day == 1 else add_months(on.replace(day=1), 1)
            while on <= min(end or AS_OF, AS_OF):
                if not any(left < on <= until for left, until in windows[account]):
                    months += 1
                    churned += on == end
                on = add_months(on, 1)
    return over, churned_after, months, churned


def assert_champion_effect(over: int, churned_after: int, months: int, churned: int) -> None:
    planted = TRUTH["champion"]
    assert (over, churned_after) == (planted["left"]["departures"], planted["left"]["churned_within_window"])
    assert (months, churned) == (planted["stayed"]["account_months"], planted["stayed"]["churned"])
    assert_recovers(churned_after, over, planted["left"]["parameter"], "churn after the champion left")
    low, high = (1 - (1 - bound) ** 6 for bound in wilson(churned, months))
    assert low <= planted["stayed"]["parameter"] <= high
    assert wilson(churned_after, over)[0] > high, "a champion's leaving must show"


def key_departures() -> list[tuple[str, dt.date]]:
    holders = {row["contact_id"] for row in table("contact_roles") if row["role"] in ("champion", "decision_maker")}
    return [
        (row["account_id"], day(row["left_at"]))
        for row in table("contacts")
        if row["contact_id"] in holders and row["left_at"]
    ]


def test_champion_effect_in_the_files() -> None:
    business = {a: parts for a, parts in spells().items() if models()[a] == "b2b_contract"}
    assert_champion_effect(*champion_counts(key_departures(), business))


def observations() -> list[tuple[str, dt.date, bool]]:
    """Customer, first of a month, churned in (D + 30, D + 120]; without those known or sure to go (metrics.md 10)."""
    found = []
    notices = defaultdict(list)
    for row in table("subscriptions"):
        if row["notice_given_on"]:
            notices[row["account_id"]].append(day(row["notice_given_on"]))
    for account, parts in spells().items():
        on = dt.date(2024, 6, 1)
        while on + dt.timedelta(120) <= AS_OF:
            for start, end in parts:
                if start + dt.timedelta(90) <= on and (end is None or on < end):
                    ahead = (end - on).days if end else 9999
                    announced = any(notice <= on for notice in notices[account] if end and notice > start)
                    if ahead > 30 and not (announced and ahead <= 120):
                        found.append((account, on, 30 < ahead <= 120))
            on = add_months(on, 1)
    return found


def lift_counts(fired: Any) -> tuple[int, int, int, int]:
    """(churned, observations) where the signal fired, and where it did not."""
    counts: Counter[tuple[bool, bool]] = Counter((fired(a, on), churned) for a, on, churned in observations())
    return (
        counts[True, True],
        counts[True, True] + counts[True, False],
        counts[False, True],
        counts[False, True] + counts[False, False],
    )


def test_log_ins_fall_before_a_churn_and_sometimes_without_one() -> None:
    log_ins: dict[str, list[tuple[dt.date, int]]] = defaultdict(list)
    for row in table("usage_daily"):
        if row["event_name"] == "login":
            log_ins[TRUTH["merged"].get(row["account_id"], row["account_id"])].append(
                (day(row["used_on"]), int(row["quantity"]))
            )

    def fell(account: str, on: dt.date) -> bool:
        month, before = on - dt.timedelta(28), on - dt.timedelta(56)
        now = sum(count for used, count in log_ins[account] if month <= used < on)
        then = sum(count for used, count in log_ins[account] if before <= used < month)
        return then > 0 and now <= 0.7 * then

    hits, fired, misses, silent = lift_counts(fell)
    base = (hits + misses) / (fired + silent)
    assert wilson(hits, fired)[0] > wilson(misses, silent)[1]
    assert 1.5 < hits / fired / base < 15, "a signal worth having, and no oracle"
    assert 0.1 < hits / (hits + misses) < 0.9


def test_unsubscribing_from_the_newsletter_says_nothing() -> None:
    gone: dict[str, list[dt.date]] = defaultdict(list)
    for row in table("messages"):
        if row["unsubscribed_at"]:
            gone[row["account_id"]].append(day(row["unsubscribed_at"]))

    def unsubscribed(account: str, on: dt.date) -> bool:
        return any(on - dt.timedelta(180) <= when < on for when in gone[account])

    hits, fired, misses, silent = lift_counts(unsubscribed)
    assert fired >= 30
    assert_recovers(hits, fired, (hits + misses) / (fired + silent), "churn after unsubscribing")


@pytest.mark.parametrize("signal", sorted(TRUTH["signals"]))
def test_signals_were_drawn_from_their_parameters(signal: str) -> None:
    drawn = TRUTH["signals"][signal]
    assert_recovers(drawn["churns_with_signal"], drawn["churns"], drawn["before_churn"], f"{signal} before a churn")
    otherwise = drawn["per_quarter_otherwise"]
    assert_recovers(drawn["quarters_with_signal"], drawn["quarters"], otherwise, f"{signal} without one")
    assert wilson(drawn["churns_with_signal"], drawn["churns"])[0] > otherwise


def test_the_other_shares_were_drawn_from_their_parameters() -> None:
    planted = TRUTH["parameters"]
    asked = [row for row in table("survey_responses") if row["survey"] in ("csat", "cancel_reason")]
    answered = sum(bool(row["responded_at"]) for row in asked)
    assert_recovers(answered, len(asked), planted["survey_response_rate"], "survey response")
    for occasion, share in planted["offer_accepted_by_occasion"].items():
        made = [
            r
            for r in table("offers")
            if r["occasion"] == occasion and r["kind"] in ("upsell", "cross_sell", "trial_upgrade")
        ]
        accepted = sum(row["is_accepted"] == "true" for row in made)
        assert_recovers(accepted, len(made), share, f"offers accepted on {occasion}")
    clicks: dict[str, list[bool]] = {"weekend_3_to_6": [], "weekday": []}
    for row in table("messages"):
        if row["purpose"] == "newsletter" and row["message_id"] < "M9":
            weekend = day(row["sent_at"]).weekday() == 5
            clicks["weekend_3_to_6" if weekend else "weekday"].append(bool(row["clicked_at"]))
    for slot, share in planted["newsletter_click"].items():
        assert_recovers(sum(clicks[slot]), len(clicks[slot]), share, f"clicks {slot}")
    assert (
        wilson(sum(clicks["weekend_3_to_6"]), len(clicks["weekend_3_to_6"]))[0] > planted["newsletter_click"]["weekday"]
    )


def test_win_back_by_value_and_by_discount() -> None:
    tried: dict[str, list[bool]] = {"value": [], "discount": []}
    for row in table("messages"):
        if row["purpose"] == "win_back" and day(row["sent_at"]) <= AS_OF - dt.timedelta(165):  # time enough to return
            tried["discount" if row["discount_percent"] else "value"].append(bool(row["converted_at"]))
    for how, returned in tried.items():
        planted = TRUTH["parameters"]["win_back_return"][how]
        assert_recovers(sum(returned), len(returned), planted, f"return after a win-back by {how}")


def test_early_leavers_were_rarely_onboarded() -> None:
    onboarded = {row["account_id"] for row in table("milestones") if row["milestone"] == "onboarding_completed"}
    found: dict[str, list[bool]] = {"stays": [], "leaves_within_3_months": []}
    for account, parts in spells().items():
        start, end = parts[0]
        if add_months(start, 3) <= AS_OF and account not in TRUTH["merged"].values():
            early = end is not None and end <= add_months(start, 3)
            found["leaves_within_3_months" if early else "stays"].append(account in onboarded)
    for group, done in found.items():
        assert_recovers(sum(done), len(done), TRUTH["parameters"]["onboarding_completed"][group], group)
    assert wilson(sum(found["stays"]), len(found["stays"]))[0] > sum(done) / len(done)


# --- the same out of the marts (fixture `demo`: the demo, built) ------------------------------------------------------


def churn_counts(demo: Warehouse, dimension: str) -> dict[str, tuple[int, int]]:
    """(churned, at the start) per segment value, complete months together."""
    rows = demo.rows(
        """
        select segment_value, sum(customers_churned) as churned, sum(customers_at_start) as at_start
        from marts.churn_by_segment
        where period_grain = 'month' and segment_dimension = ? and is_complete
        group by segment_value
        """,
        [dimension],
    )
    return {row["segment_value"]: (int(row["churned"]), int(row["at_start"])) for row in rows if row["at_start"]}


def assert_planted_churn(counts: Mapping[str, tuple[int, int]], planted: Mapping[str, Any]) -> None:
    realised = planted["realised"]
    assert counts == {key: (row["customers_churned"], row["customers_at_start"]) for key, row in realised.items()}
    for key, (churned, at_start) in counts.items():
        assert_recovers(churned, at_start, planted["expected_monthly_rate"][key], key)


def test_the_demo_builds(demo: Warehouse) -> None:
    assert demo.success, demo.messages()


def test_small_companies_churn_more(demo: Warehouse) -> None:
    counts = churn_counts(demo, "company_size")
    assert_planted_churn(counts, TRUTH["churn_by_company_size"])
    rates = {size: churned / at_start for size, (churned, at_start) in counts.items()}
    assert rates["small"] > rates["mid"] > rates["large"]
    assert wilson(*counts["small"])[0] > wilson(*counts["large"])[1]


def test_long_contracts_churn_less(demo: Warehouse) -> None:
    counts = churn_counts(demo, "contract_length")
    assert_planted_churn(
        {CONTRACT_LENGTHS[label]: count for label, count in counts.items()}, TRUTH["churn_by_contract_length"]
    )
    assert wilson(*counts["1 year"])[0] > wilson(*counts["2 years and longer"])[1]
    assert wilson(*counts["month to month"])[0] > wilson(*counts["1 year"])[1]


def test_the_start_is_dangerous(demo: Warehouse) -> None:
    rows = demo.rows(
        """
        select tenure_month, at_risk, churned, hazard
        from marts.survival_curve
        where segment_dimension = 'business_model' and segment_value = 'b2c_subscription' and tenure_month > 0
        order by tenure_month
        """
    )
    planted = TRUTH["hazard_b2c_subscription"]
    found = {str(row["tenure_month"]): {"at_risk": row["at_risk"], "churned": row["churned"]} for row in rows}
    assert found == planted["realised"]
    months = {row["tenure_month"]: (row["churned"], row["at_risk"]) for row in rows}
    for month in (1, 2, 3):
        assert_recovers(*months[month], planted["parameter"][str(month)], f"hazard of month {month}")
    for first, last in ((4, 6), (7, 99)):
        churned = sum(count for month, (count, _) in months.items() if first <= month <= last)
        at_risk = sum(base for month, (_, base) in months.items() if first <= month <= last)
        assert_recovers(churned, at_risk, planted["parameter"][str(first)], f"hazard from month {first}")
    assert wilson(*months[1])[0] > wilson(churned, at_risk)[1]


def test_a_champion_who_leaves_takes_the_customer_along(demo: Warehouse) -> None:
    departures = demo.rows(
        """
        select contacts.account_id, cast(contacts.left_at as date) as left_on
        from conformed.contacts
        where contacts.left_at is not null and contacts.contact_id in (
            select contact_id from conformed.contact_roles where role in ('champion', 'decision_maker')
        )
        """
    )
    months = demo.rows(
        """
        select account_id, month_start, is_active_start, is_active_end
        from marts.account_months
        where business_model = 'b2b_contract'
        order by account_id, month_start
        """
    )
    first_days = {account: parts[0][0] for account, parts in spells().items()}
    lives: dict[str, list[tuple[dt.date, dt.date | None]]] = defaultdict(list)
    for row in months:  # stretches between boundaries; business customers leave on the first of a month
        end_of_month = add_months(row["month_start"], 1)
        parts = lives[row["account_id"]]
        if row["is_active_end"] and not row["is_active_start"]:
            start = first_days[row["account_id"]] if not parts else end_of_month
            later = [start for start, _ in spells()[row["account_id"]] if row["month_start"] < start <= end_of_month]
            parts.append((later[-1] if later else start, None))
        elif row["is_active_start"] and not parts:
            parts.append((first_days[row["account_id"]], None))
        if row["is_active_start"] and not row["is_active_end"]:
            parts[-1] = (parts[-1][0], end_of_month)
    assert_champion_effect(*champion_counts([(r["account_id"], r["left_on"]) for r in departures], lives))


def test_reasons_are_those_given(demo: Warehouse) -> None:
    rows = demo.rows(
        """
        select reason_code, sum(customers_churned) as churned
        from marts.churn_reasons
        where period_grain = 'month'
        group by reason_code
        """
    )
    found = {row["reason_code"]: int(row["churned"]) for row in rows if row["churned"]}
    planted = TRUTH["reasons"]
    assert found == planted["realised"]
    without_row = planted["voluntary"]["without_cancellation_row"]
    assert found["unknown"] > 0
    assert_recovers(
        without_row, planted["voluntary"]["churns"], planted["share_without_cancellation_row"], "no cancellation row"
    )
    assert found["payment_failure"] > 0


def test_churn_falls_into_the_months_it_was_planted_in(demo: Warehouse) -> None:
    rows = demo.rows("select month_start, customers_churned from marts.mrr_monthly where customers_churned > 0")
    found = {str(row["month_start"]): row["customers_churned"] for row in rows}
    assert found == TRUTH["churned_by_month"]


def test_returners_are_found(demo: Warehouse) -> None:
    rows = demo.rows(
        """
        select distinct account_id, cast(month_start as varchar) as month_start
        from marts.mrr_movements
        where movement = 'reactivation'
        """
    )
    found = {(row["account_id"], row["month_start"]) for row in rows}
    assert found == {(row["account_id"], row["month_start"]) for row in TRUTH["returners"]}


def test_shoppers_come_back_after_a_year(demo: Warehouse) -> None:
    row = demo.rows(
        """
        select buyers, repeat_buyers, dormant_12_months, reactivated_after_12_months
        from marts.repeat_purchases
        where cohort_grain = 'all' and segment_dimension = 'all'
        """
    )[0]
    shoppers = {row["account_id"] for row in table("accounts") if row["business_model"] == "b2c_shop"}
    buyers = {row["account_id"] for row in table("orders") if row["ordered_at"] < AS_OF.isoformat()} & shoppers
    assert row["buyers"] == len(buyers)
    planted = TRUTH["shop_back_after_a_year"]
    # a few more by chance: those who buy rarely anyway
    assert len(planted) <= row["reactivated_after_12_months"] <= len(planted) + 3
    assert row["reactivated_after_12_months"] < row["dormant_12_months"] < row["buyers"]


def test_those_who_come_and_go_within_a_month_are_neither_new_nor_churned(demo: Warehouse) -> None:
    for column in ("joined_and_left", "left_and_returned"):
        rows = demo.rows(f"select account_id, movement from marts.account_months where {column} > 0")
        assert sorted({row["account_id"] for row in rows}) == TRUTH[column]
        assert {row["movement"] for row in rows} <= {"none", "expansion", "contraction"}


def test_a_merge_is_no_churn(demo: Warehouse) -> None:
    gone = demo.rows(
        "select account_id from marts.account_months where list_contains(?, account_id)", [[*TRUTH["merged"]]]
    )
    assert gone == []
    for survivor in TRUTH["merged"].values():
        movements = [
            row["movement"]
            for row in demo.rows(
                "select movement from marts.mrr_movements where account_id = ? and mrr_change <> 0", [survivor]
            )
        ]
        assert "new" in movements and not {"churn", "reactivation"} & set(movements)
    # what the company paid under its second account counts from the start
    assert demo.value("select count(*) from conformed.subscriptions where source_account_id <> account_id") == sum(
        row["account_id"] in TRUTH["merged"] for row in table("subscriptions")
    )


def test_test_accounts_and_trials_alone_are_no_customers(demo: Warehouse) -> None:
    for accounts in (TRUTH["test_accounts"], TRUTH["trial_only"]):
        assert accounts
        query = "select account_id from marts.mrr_movements where list_contains(?, account_id)"
        assert demo.rows(query, [accounts]) == []
    assert demo.value(
        "select count(distinct account_id) from marts.mrr_movements where list_contains(?, account_id)",
        [TRUTH["trials_converted"]],
    ) > 0.8 * len(TRUTH["trials_converted"])


def test_a_switch_on_the_same_day_is_no_churn(demo: Warehouse) -> None:
    for switch in TRUTH["same_day_switches"]:
        rows = demo.rows(
            """
            select movement, left_and_returned from marts.account_months
            where account_id = ? and date_trunc('month', cast(? as date) - interval 1 day) = month_start
            """,
            [switch["account_id"], switch["on"]],
        )
        assert all(row["movement"] not in ("churn", "reactivation") for row in rows), switch
        assert all(not row["left_and_returned"] for row in rows), switch


def test_a_pause_keeps_the_customer(demo: Warehouse) -> None:
    rows = demo.rows(
        "select distinct account_id from marts.account_months where is_active_start and is_active_end and mrr_end = 0"
    )
    at_nothing = {row["account_id"] for row in rows}
    assert at_nothing and at_nothing <= set(TRUTH["paused"])


def test_notice_given_is_no_churn_yet(demo: Warehouse) -> None:
    rows = demo.rows(
        """
        select account_id from marts.account_months
        where list_contains(?, account_id) and is_active_end and month_start = ?
        """,
        [TRUTH["notice_pending"], add_months(AS_OF, -1)],
    )
    assert sorted(row["account_id"] for row in rows) == TRUTH["notice_pending"]


def test_only_what_was_known_counts(demo: Warehouse) -> None:
    late = TRUTH["subscriptions"]["corrected_after_as_of"]
    query = "select amount from conformed.subscriptions where subscription_id = ? and valid_from = ?"
    amount = demo.value(query, [late["subscription_id"], late["valid_from"]])
    assert f"{amount:.2f}" == late["amount_known"] != late["amount_later"]
    for version in TRUTH["subscriptions"]["late_recorded"] + TRUTH["subscriptions"]["corrected"]:
        rows = demo.rows(query, [version["subscription_id"], version["valid_from"]])
        assert len(rows) == 1, version


def test_every_dirty_row_is_quarantined_for_its_reason(demo: Warehouse) -> None:
    for entity in contract():
        planted = Counter(row["reason"] for row in TRUTH["dirty_rows"] if row["entity"] == entity)
        found = demo.rows(f"select reasons, raw_row from quarantine.quarantine_{entity}")
        assert Counter(row["reasons"] for row in found) == planted, entity
        for dirty in (row for row in TRUTH["dirty_rows"] if row["entity"] == entity):
            assert any(
                row["reasons"] == dirty["reason"]
                and {name: value for name, value in json.loads(row["raw_row"]).items() if value} == dirty["row"]
                for row in found
            ), dirty


def test_every_row_is_accounted_for(demo: Warehouse) -> None:
    accounting = {row["entity"]: row for row in demo.rows("select * from marts.input_accounting")}
    assert set(accounting) == set(contract())
    dirty = Counter(row["entity"] for row in TRUTH["dirty_rows"])
    for entity, row in accounting.items():
        assert row["rows_read"] == len(table(entity)), entity
        assert row["rows_quarantined"] == dirty[entity], entity
        assert row["rows_superseded"] == TRUTH["superseded"].get(entity, 0), entity
        parts = ("rows_accepted", "rows_quarantined", "rows_superseded", "rows_not_yet_known")
        assert sum(row[part] for part in parts) == row["rows_read"], entity
        assert row["rows_rejected_by_reader"] == 0
    for entity in ("accounts", "subscriptions", "usage_daily", "orders", "invoices", "support_tickets", "messages"):
        assert accounting[entity]["rows_not_yet_known"] > 0, entity
    shown = demo.value("select max(newest_recorded_at) from marts.input_accounting")
    assert shown < dt.datetime.combine(AS_OF, dt.time())


def test_three_currencies_move(demo: Warehouse) -> None:
    rows = demo.rows("select sum(abs(mrr_fx)) as moved from marts.mrr_monthly")
    assert rows[0]["moved"] > 0
