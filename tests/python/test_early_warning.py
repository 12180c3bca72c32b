"""What was planted in the demo comes back out of early warning, and what is missing is called missing."""

from __future__ import annotations

import datetime as dt
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from project import Warehouse
from test_demo import TRUTH
from test_scenarios import build, demo_files

# Days after its onset from which a planted episode can be seen in the signal's own measure: half a window of log-ins,
# the days that count as unused or silent, the tickets and the answer that have to come in first.
SEEN_AFTER = {
    "login_decline": 21,
    "ticket_spike": 21,
    "nps_drop": 14,
    "core_unused": 30,
    "power_user_silent": 45,
}


@pytest.fixture(scope="module")
def planted() -> dict[str, dict[str, list[tuple[dt.date, dt.date]]]]:
    """The planted episodes by signal and account."""
    found: dict[str, dict[str, list[tuple[dt.date, dt.date]]]] = defaultdict(lambda: defaultdict(list))
    for signal in SEEN_AFTER:
        for episode in TRUTH["episodes"][signal]:
            account, start, stop = episode.split()
            found[signal][account].append((dt.date.fromisoformat(start), dt.date.fromisoformat(stop)))
    return found


@pytest.fixture(scope="module")
def backtest(demo: Warehouse) -> dict[str, dict[str, Any]]:
    return {row["signal"]: row for row in demo.rows("select * from marts.signal_backtest")}


@pytest.mark.parametrize("signal", sorted(SEEN_AFTER))
def test_the_lift_of_a_planted_signal_is_recovered(
    demo: Warehouse, planted: Any, backtest: dict[str, dict[str, Any]], signal: str
) -> None:
    """The lift that the planted episodes themselves have on the same observations lies in the interval."""
    observations = demo.rows(
        "select grid_date, account_id, state = 'churned' as churned from intermediate.int_churn_labels "
        "where state in ('churned', 'stayed')"
    )
    seen = dt.timedelta(SEEN_AFTER[signal])
    shown = [
        row
        for row in observations
        if any(start + seen <= row["grid_date"] <= stop for start, stop in planted[signal][row["account_id"]])
    ]
    base = sum(row["churned"] for row in observations) / len(observations)
    lift = sum(row["churned"] for row in shown) / len(shown) / base
    row = backtest[signal]
    assert row["lift_low"] <= lift <= row["lift_high"], (lift, row)
    assert row["lift_low"] > 1, row


def test_a_signal_planted_as_noise_shows_lift_one(backtest: dict[str, dict[str, Any]]) -> None:
    row = backtest["newsletter_unsubscribed"]
    assert row["fired"] >= 30
    assert row["lift_low"] <= 1 <= row["lift_high"], row


@pytest.mark.parametrize("signal", ["login_decline", "core_unused", "nps_drop"])
def test_the_lead_time_of_a_planted_signal_is_recovered(
    demo: Warehouse, planted: Any, backtest: dict[str, dict[str, Any]], signal: str
) -> None:
    """Warnings come so long before a loss as the planted onset, less what the signal takes to be seen."""
    ends = {
        (row["account_id"], row["spell_end"])
        for row in demo.rows("select account_id, spell_end from intermediate.int_account_spells where not is_running")
    }
    ahead = [
        (stop - start).days
        for account, drawn in planted[signal].items()
        for start, stop in drawn
        if (account, stop) in ends
    ]
    expected = statistics.median(ahead) - SEEN_AFTER[signal]
    assert abs(backtest[signal]["median_lead_days"] - expected) <= 15, (expected, backtest[signal])


def test_zombies_are_found(demo: Warehouse) -> None:
    """Who was made to pay without using, and still does, is on the list."""
    customers = {row["account_id"] for row in demo.rows("select account_id from marts.account_health")}
    found = {row["account_id"] for row in demo.rows("select account_id from marts.zombie_accounts")}
    assert set(TRUTH["zombies"]) & customers <= found


def test_a_champion_who_leaves_is_followed_by_losses(demo: Warehouse) -> None:
    rows = {row["champion"]: row for row in demo.rows("select * from marts.champion_change_churn")}
    left, stayed = TRUTH["champion"]["left"], TRUTH["champion"]["stayed"]
    assert (rows["left"]["observations"], rows["left"]["churned"]) == (
        left["departures"],
        left["churned_within_window"],
    )
    assert (rows["stayed"]["observations"], rows["stayed"]["churned"]) == (stayed["account_months"], stayed["churned"])
    for name, truth in (("left", left), ("stayed", stayed)):
        assert rows[name]["ci_low"] <= truth["parameter"] <= rows[name]["ci_high"]


@pytest.mark.slow
def test_missing_inputs_are_no_data_and_the_score_stays_calibrated(tmp_path: Path, demo: Warehouse) -> None:
    """Without tickets, surveys and contacts: such signals know nothing, coverage falls, probabilities still add up."""
    files = demo_files(tmp_path / "files", without=("support_tickets", "survey_responses", "contacts", "contact_roles"))
    warehouse = build(tmp_path, files)
    blind = (
        "select distinct signal from marts.account_signals where requirement in ('D2', 'D3', 'D8') "
        "or signal = 'power_user_silent'"
    )
    known = warehouse.rows(f"select signal from marts.account_signals where has_data and signal in ({blind})")
    assert not known
    coverage = "select avg(data_coverage) from marts.account_health"
    assert warehouse.value(coverage) < demo.value(coverage) - 0.2
    (row,) = warehouse.rows(
        "select sum(churned) as churned, sum(observations * mean_probability) as predicted "
        "from marts.health_calibration where split = 'test'"
    )
    assert abs(row["predicted"] - row["churned"]) < 3 * row["churned"] ** 0.5, row
