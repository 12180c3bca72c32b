"""The customer value models against published tables, scipy, and simulated bases whose truth is known."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bestand import examples
from clv_reference import (
    BgNbd,
    Fit,
    bgnbd_log_likelihood,
    expected_purchases,
    fit_bgnbd,
    fit_gamma_gamma,
    fit_sbg,
    gamma_gamma_log_likelihood,
    sbg_log_likelihood,
)
from clv_simulation import (
    comparison_bases,
    comparison_contracts,
    coverage_bases,
    coverage_contracts,
    simulate_contracts,
    simulate_purchases,
)
from project import SHARED_DATA, Warehouse, build_files, write_entity
from references import CDNOW_AS_OF, CDNOW_VARIABLES, assert_cdnow_parameters, fit_of

pytestmark = pytest.mark.slow
VALUE = "+account_clv +clv_model_fits +clv_survival +clv_backtest +clv_tracking"
SCORES = SHARED_DATA / "cdnow" / "bgnbd_reference_scores.csv"
PUBLISHED_SURVIVAL = SHARED_DATA / "sbg_fader_hardie_2007.csv"


# --- CDNOW --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cdnow(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder = tmp_path_factory.mktemp("cdnow")
    variables = examples.prepare("cdnow", folder / "files")
    warehouse = build_files(
        folder / "work",
        folder / "files",
        CDNOW_AS_OF,
        select=VALUE,
        reporting_currency=variables["reporting_currency"],
        **CDNOW_VARIABLES,
    )
    assert warehouse.success, warehouse.messages()
    return warehouse


def test_cdnow_parameters_are_the_published_ones(cdnow: Warehouse) -> None:
    assert_cdnow_parameters(cdnow)


@pytest.mark.skipif(not SCORES.is_file(), reason="the CDNOW reference scores are not beside the repository")
def test_cdnow_scores_are_the_reference_ones(cdnow: Warehouse) -> None:
    ours = cdnow.rows(
        "select cast(account_id as integer) as id, expected_purchases_window as expected, p_alive "
        "from intermediate.int_account_scores where as_of_date = date '1997-10-01' order by id"
    )
    with SCORES.open(newline="") as file:
        theirs = list(csv.DictReader(file))
    assert [row["id"] for row in ours] == [int(row["ID"]) for row in theirs]
    assert len(ours) == 2357
    for column, reference in (("expected", "e39"), ("p_alive", "palive")):
        apart = [abs(row[column] - float(other[reference])) for row, other in zip(ours, theirs, strict=True)]
        assert max(apart) < 1e-6, column


def test_cdnow_clv_is_the_reference_one(cdnow: Warehouse) -> None:
    clv = cdnow.rows(
        "select predictive_clv_12m as clv from intermediate.int_account_clv "
        "where as_of_date = date '1997-10-01' order by cast(account_id as integer)"
    )
    assert [row["clv"] for row in clv[:3]] == pytest.approx([36.278497, 4.637467, 8.344093], abs=1e-4)
    assert sum(row["clv"] for row in clv) == pytest.approx(71509.90, abs=1e-2)


def test_cdnow_hold_out(cdnow: Warehouse) -> None:
    (whole,) = cdnow.rows("select * from marts.clv_backtest where grouping_kind = 'all'")
    assert (whole["window_days"], whole["customers"], whole["actual_purchases"]) == (273, 2357, 1882)
    assert whole["predicted_purchases"] == pytest.approx(1653.42, abs=5e-3)
    deciles = cdnow.rows(
        "select * from marts.clv_backtest where grouping_kind = 'decile' order by cast(group_value as int)"
    )
    assert sum(row["actual_purchases"] for row in deciles) == 1882 and len(deciles) == 10
    assert deciles[0]["actual_purchases"] > 0.4 * 1882, "the tenth expected to be worth most buys most"
    weeks = cdnow.rows("select * from marts.clv_tracking where as_of_date = date '1997-10-01' order by week_number")
    assert len(weeks) == 78 and [row["is_holdout"] for row in weeks] == [False] * 39 + [True] * 39
    # published: cumulative repeat purchases stay within a few per cent of the actual ones (Fader et al. 2005)
    assert weeks[38]["actual_repeat_purchases"] == 4814 - 2357
    assert weeks[77]["actual_repeat_purchases"] == 4814 - 2357 + 1882
    assert weeks[77]["expected_repeat_purchases"] == pytest.approx(weeks[77]["actual_repeat_purchases"], rel=0.05)


# --- sBG: the two published data sets --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def renewals(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A thousand customers of each published segment, won on one day with yearly terms, seen for seven years."""
    if not PUBLISHED_SURVIVAL.is_file():
        pytest.skip("the published survival is not beside the repository (../shared/data)")
    with PUBLISHED_SURVIVAL.open(newline="") as file:
        published = list(csv.DictReader(file))
    accounts, subscriptions = [], []
    for segment, column in (("regular", "regular_pct"), ("high_end", "high_end_pct")):
        there = [round(10 * float(row[column])) for row in published]
        for number in range(1000):
            lost_in = next((year for year in range(1, 8) if number >= there[year]), None)
            account_id = f"{segment}-{number:04d}"
            accounts.append({"account_id": account_id, "industry": segment, "acquired_on": dt.date(2018, 1, 1)})
            subscriptions.append({
                "subscription_id": account_id, "account_id": account_id, "valid_from": dt.date(2018, 1, 1),
                "valid_to": dt.date(2018 + lost_in, 1, 1) if lost_in else "", "amount": 100, "currency": "EUR",
                "billing_interval_months": 12, "contract_term_months": 12,
            })  # fmt: skip
    folder = tmp_path_factory.mktemp("renewals")
    write_entity(folder / "files", "accounts", accounts)
    write_entity(folder / "files", "subscriptions", subscriptions)
    warehouse = build_files(
        folder / "work",
        folder / "files",
        "2025-01-01",
        select=VALUE,
        clv_segment_dimension="industry",
        clv_shrinkage_customers=0,
        clv_backtest_months_back=[],
        clv_horizon_months=60,
    )
    assert warehouse.success, warehouse.messages()
    return warehouse


@pytest.mark.parametrize(
    ("segment", "alpha", "beta", "per_customer", "twelfth", "lifetime", "residual"),
    [
        ("regular", 0.704077, 1.182043, -1.680265, 0.1700, 3.694908, [2.9644, 4.1031, 4.8698, 5.4421]),
        ("high_end", 0.668088, 3.806095, -1.611158, 0.3780, 5.922254, [5.4145, 5.9014, 6.2939, 6.6199]),
    ],
)
def test_published_renewals(
    renewals: Warehouse,
    segment: str,
    alpha: float,
    beta: float,
    per_customer: float,
    twelfth: float,
    lifetime: float,
    residual: list[float],
) -> None:
    fit = fit_of(renewals, "sbg", segment)
    assert fit["status"] == "converged" and fit["n"] == 1000 and fit["period_months"] == 12
    assert [fit["alpha"], fit["beta"]] == pytest.approx([alpha, beta], rel=1e-6)
    assert fit["log_likelihood"] / 1000 == pytest.approx(per_customer, abs=1e-6)
    assert fit["discounted_expected_lifetime"] == pytest.approx(lifetime, abs=2e-6)
    curve = renewals.rows("select * from marts.clv_survival where segment_value = ? order by period", [segment])
    assert curve[11]["period"] == 12 and curve[11]["fitted_survival"] == pytest.approx(twelfth, abs=5e-5)
    assert [row["discounted_expected_residual_lifetime"] for row in curve[:4]] == pytest.approx(residual, abs=6e-5)
    assert [row["at_risk"] for row in curve[:7]] == [
        1000, *[round(1000 * row["survival"]) for row in curve[:6]]
    ]  # fmt: skip
    assert curve[7]["at_risk"] is None and curve[7]["survival"] is None


# --- against scipy ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Warehouse, Any]:
    folder = tmp_path_factory.mktemp("simulated")
    (folder / "files").mkdir()
    histories = simulate_purchases(folder / "files", comparison_bases(), 20)
    return _fitted(folder, histories), histories


@pytest.fixture(scope="module")
def simulated_contracts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Warehouse, Any]:
    folder = tmp_path_factory.mktemp("simulated_contracts")
    (folder / "files").mkdir()
    histories = simulate_contracts(folder / "files", comparison_contracts(), 20)
    return _fitted(folder, histories), histories


def _fitted(folder: Path, histories: Any) -> Warehouse:
    """The bases of a folder, each fitted by itself."""
    warehouse = build_files(
        folder / "work",
        folder / "files",
        "2025-07-01",
        command="run",
        select="+account_clv +clv_model_fits",
        clv_segment_dimension="industry",
        clv_shrinkage_customers=0,
        clv_backtest_months_back=[],
    )
    assert warehouse.success, warehouse.messages()
    return warehouse


def agrees(fit: dict[str, Any], names: list[str], theirs: Fit, again: float) -> bool:
    """The same parameters to 1e-4, or the same likelihood to 1e-6; what the fit says of its likelihood is true."""
    assert fit["log_likelihood"] == pytest.approx(again, abs=1e-6)
    return [fit[name] for name in names] == pytest.approx(list(theirs.parameters), rel=1e-4) or abs(
        fit["log_likelihood"] - theirs.log_likelihood
    ) < 1e-6


def test_twenty_simulated_bases_agree_with_scipy(simulated: tuple[Warehouse, Any]) -> None:
    warehouse, histories = simulated
    assert len(histories.bases) == 20
    for number, base in enumerate(histories.bases):
        data, spending = histories.histories(number), histories.spending(number)
        fit = fit_of(warehouse, "bgnbd", base.industry)
        theirs = fit_bgnbd(data)
        if fit["status"] != "converged":
            # a fit may run to the boundary where scipy finds nothing in bounds either
            assert fit["status"] == "at_boundary" and max(np.abs(np.log(theirs.parameters))) > 7, base
        else:
            ours = BgNbd(*(fit[name] for name in ("r", "alpha", "a", "b")))
            assert agrees(fit, ["r", "alpha", "a", "b"], theirs, bgnbd_log_likelihood(ours, data)), (base, fit, theirs)
        fit = fit_of(warehouse, "gamma_gamma", base.industry)
        assert fit["status"] == "converged", (base, fit)
        spend = type(base.spend)(*(fit[name] for name in ("p", "q", "v")))
        theirs = fit_gamma_gamma(spending)
        assert agrees(fit, ["p", "q", "v"], theirs, gamma_gamma_log_likelihood(spend, spending)), (base, fit, theirs)


def test_simulated_contracts_agree_with_scipy(simulated_contracts: tuple[Warehouse, Any]) -> None:
    warehouse, histories = simulated_contracts
    for number, base in enumerate(histories.bases):
        data = histories.renewals(number)
        fit = fit_of(warehouse, "sbg", base.industry)
        assert fit["status"] == "converged", (base, fit)
        ours = type(base.renewals)(fit["alpha"], fit["beta"])
        assert agrees(fit, ["alpha", "beta"], fit_sbg(data), sbg_log_likelihood(ours, data)), (base, fit)


def test_expectations_agree_with_scipy_for_all_ages(simulated: tuple[Warehouse, Any]) -> None:
    """Five years ahead, from new customers to old ones, a below, at and above 1: many terms of the series."""
    warehouse, histories = simulated
    worst = 0.0
    for number, base in enumerate(histories.bases):
        fit = fit_of(warehouse, "bgnbd", base.industry)
        if fit["status"] != "converged":
            continue
        parameters = BgNbd(*(fit[name] for name in ("r", "alpha", "a", "b")))
        rows = warehouse.rows(
            "select repeat_purchases as x, recency_weeks as t_x, age_weeks as age, expected_purchases_12m as expected "
            "from intermediate.int_purchase_scores where own_segment = ? order by all",
            [base.industry],
        )
        assert len(histories.accounts(number)) >= len(rows) > 100
        theirs = expected_purchases(
            parameters, 12 * 4.345, *(np.array([row[name] for row in rows], float) for name in ("x", "t_x", "age"))
        )
        ours = np.array([row["expected"] for row in rows])
        worst = max(worst, float(np.max(np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-9))))
    assert worst < 1e-6


# --- intervals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("simulate", "bases", "relationship"),
    [(simulate_purchases, coverage_bases, "no_contract"), (simulate_contracts, coverage_contracts, "contract")],
    ids=["without contract", "contract"],
)
def test_intervals_hold_the_truth(tmp_path: Path, simulate: Any, bases: Any, relationship: str) -> None:
    """95 % intervals of the expected value hold the true one in 92 to 98 % of 200 simulated bases: on average over the
    customers, and of all customers of a base together."""
    (tmp_path / "files").mkdir()
    histories = simulate(tmp_path / "files", bases(), 3)
    warehouse = _fitted(tmp_path, histories)
    rows = {
        row["account_id"]: row
        for row in warehouse.rows(
            "select account_id, residual_clv_low as low, residual_clv_high as high, model_status "
            "from marts.account_clv where relationship = ?",
            [relationship],
        )
    }
    covered, whole = [], []
    for base in range(len(histories.bases)):
        truth = histories.residual_values(base, 60, 0.10)
        ids = histories.accounts(base)
        kept = [i for i, account_id in enumerate(ids) if rows[account_id]["model_status"] == "converged"]
        if not kept:
            continue
        low, high = (np.array([rows[ids[i]][bound] for i in kept]) for bound in ("low", "high"))
        true = truth[kept]
        covered.append(float(np.mean((low <= true) & (true <= high))))
        whole.append(bool(low.sum() <= true.sum() <= high.sum()))
    assert len(covered) >= 190, "nearly every base is fitted"
    assert 0.92 <= np.mean(covered) <= 0.98
    assert 0.92 <= np.mean(whole) <= 0.985
