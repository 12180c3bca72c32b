"""The reference implementations against published figures, and against each other where nothing is published."""

from __future__ import annotations

import csv
import datetime as dt
import math
from collections import defaultdict

import numpy as np
import pytest
from clv_reference import (
    BgNbd,
    GammaGamma,
    Histories,
    Renewals,
    Sbg,
    Spending,
    bgnbd_log_likelihood,
    cents,
    contract_months,
    del_,
    derl,
    discounted_purchases,
    expected_purchases,
    expected_purchases_quadrature,
    expected_spend,
    fit_bgnbd,
    fit_gamma_gamma,
    fit_sbg,
    gamma_gamma_log_likelihood,
    p_alive,
    posterior_expectation,
    sbg_log_likelihood,
    sbg_next_term,
    sbg_survival,
    weeks,
)
from project import SHARED_DATA

SCORES = SHARED_DATA / "cdnow" / "bgnbd_reference_scores.csv"
SAMPLE = SHARED_DATA / "cdnow" / "CDNOW_sample.txt"
SURVIVAL = SHARED_DATA / "sbg_fader_hardie_2007.csv"
needs_cdnow = pytest.mark.skipif(
    not (SCORES.is_file() and SAMPLE.is_file()),
    reason="CDNOW is not beside the repository (../shared/data/cdnow): the references are not held against it",
)
needs_survival = pytest.mark.skipif(
    not SURVIVAL.is_file(),
    reason="the published survival is not beside the repository (../shared/data): the reference is not held against it",
)

CDNOW = BgNbd(0.2425929, 4.4135315, 0.7928861, 2.4257537)
CDNOW_SPEND = GammaGamma(6.248803, 3.744588, 15.447746)
CUT = dt.date(1997, 10, 1)
REGULAR = ("regular_pct", Sbg(0.704077, 1.182043), -1.680265, 0.1700, 3.694908, (2.9644, 4.1031, 4.8698, 5.4421))
HIGH_END = ("high_end_pct", Sbg(0.668088, 3.806095), -1.611158, 0.3780, 5.922254, (5.4145, 5.9014, 6.2939, 6.6199))


@pytest.fixture(scope="session")
def scores() -> dict[str, np.ndarray]:
    """The published customers: repeat purchases, their times in weeks, and their scores."""
    with SCORES.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


@pytest.fixture(scope="session")
def mean_values() -> np.ndarray:
    """Mean value of each customer's repeat purchase days before the cut, in order of their ids, rounded to cents."""
    days: dict[int, dict[dt.date, float]] = defaultdict(lambda: defaultdict(float))
    for line in SAMPLE.read_text(encoding="ascii").splitlines():
        if line.strip():
            _, customer, day, _, value = line.split()
            days[int(customer)][dt.datetime.strptime(day, "%Y%m%d").date()] += float(value)
    means = []
    for customer in sorted(days):
        repeats = [value for day, value in sorted(days[customer].items()) if day < CUT][1:]
        means.append(sum(repeats) / len(repeats) if repeats else 0.0)
    return cents(means)


# --- BG/NBD and gamma-gamma ------------------------------------------------------------------------------------------


@needs_cdnow
def test_bgnbd_fit_is_the_published_one(scores: dict[str, np.ndarray]) -> None:
    data = Histories.of(scores["frequency"], scores["recency"], scores["T"])
    assert data.count.sum() == 2357
    fit = fit_bgnbd(data)
    assert fit.converged
    assert fit.parameters == pytest.approx((CDNOW.r, CDNOW.alpha, CDNOW.a, CDNOW.b), rel=2e-7)
    assert fit.log_likelihood == pytest.approx(-9582.425560567, abs=1e-9)
    assert bgnbd_log_likelihood(BgNbd(*fit.parameters), data) == pytest.approx(fit.log_likelihood, abs=1e-9)


@needs_cdnow
def test_cdnow_scores_are_the_published_ones(scores: dict[str, np.ndarray]) -> None:
    customers = scores["frequency"], scores["recency"], scores["T"]
    fitted = BgNbd(*fit_bgnbd(Histories.of(*customers)).parameters)
    expected = expected_purchases(fitted, 39, *customers)
    assert expected == pytest.approx(scores["e39"], abs=1e-6)
    assert p_alive(fitted, *customers) == pytest.approx(scores["palive"], abs=1e-7)
    assert expected.sum() == pytest.approx(1653.42, abs=0.005)
    assert expected_purchases_quadrature(fitted, 39, *customers) == pytest.approx(expected, abs=1e-9)


@needs_cdnow
def test_gamma_gamma_fit_is_the_published_one(scores: dict[str, np.ndarray], mean_values: np.ndarray) -> None:
    data = Spending.of(scores["frequency"], mean_values)
    assert data.count.sum() == 946
    fit = fit_gamma_gamma(data)
    assert fit.converged
    assert fit.parameters == pytest.approx((CDNOW_SPEND.p, CDNOW_SPEND.q, CDNOW_SPEND.v), rel=2e-7)
    assert fit.log_likelihood == pytest.approx(-4055.923244, abs=1e-6)
    assert gamma_gamma_log_likelihood(GammaGamma(*fit.parameters), data) == pytest.approx(fit.log_likelihood, abs=1e-9)


@needs_cdnow
def test_cdnow_value_is_the_published_one(scores: dict[str, np.ndarray], mean_values: np.ndarray) -> None:
    customers = scores["frequency"], scores["recency"], scores["T"]
    fitted = BgNbd(*fit_bgnbd(Histories.of(*customers)).parameters)
    spend = GammaGamma(*fit_gamma_gamma(Spending.of(scores["frequency"], mean_values)).parameters)
    yearly = 1.01**12 - 1
    value = discounted_purchases(fitted, *customers, months=12, yearly_rate=yearly)
    value = value * expected_spend(spend, scores["frequency"], mean_values)
    assert value[:3] == pytest.approx([36.278497, 4.637467, 8.344093], abs=1e-6)
    assert value.sum() == pytest.approx(71509.90, abs=0.005)


@pytest.mark.parametrize("a", [0.05, 0.7929, 0.98, 0.999999, 1.0, 1.000001, 1.02, 3.0])
@pytest.mark.parametrize("b", [0.01, 0.3, 2.4258])
@pytest.mark.parametrize("t", [0.5, 39.0, 260.0])
def test_closed_form_and_quadrature_agree(t: float, a: float, b: float) -> None:
    parameters = BgNbd(0.2425929, 4.4135315, a, b)
    customers = np.array([0, 0, 1, 5, 30]), np.array([0, 0, 0.14, 20, 38]), np.array([0, 20, 0.5, 30, 39])
    expected = expected_purchases(parameters, t, *customers)
    assert expected == pytest.approx(expected_purchases_quadrature(parameters, t, *customers), rel=2e-8)
    assert np.all(expected > 0)


@pytest.mark.parametrize(("a", "t", "tolerance"), [(0.7929, 39, 1e-10), (1.0, 39, 1e-10), (2.5, 260, 1e-5)])
def test_expectation_follows_from_the_model_alone(a: float, t: float, tolerance: float) -> None:
    parameters = BgNbd(0.2425929, 4.4135315, a, 2.4257537)
    for x, t_x, age in ((0, 0.0, 0.0), (0, 0.0, 38.86), (2, 30.43, 38.86), (9, 12.0, 38.0)):
        (expected,) = expected_purchases(parameters, t, [x], [t_x], [age])
        assert posterior_expectation(parameters, t, x, t_x, age) == pytest.approx(expected, rel=tolerance)


def test_expectation_of_one_who_never_drops_out_is_the_poisson_one() -> None:
    never = BgNbd(2.0, 10.0, 1e-9, 1.0)
    assert expected_purchases(never, 26, [3], [20], [30]) == pytest.approx(26 * (2 + 3) / (10 + 30), rel=1e-6)


def test_discounting_counts_at_the_end_of_each_month() -> None:
    parameters, customer = CDNOW, ([2.0], [30.43], [38.86])
    first = expected_purchases(parameters, 4.345, *customer)
    both = expected_purchases(parameters, 8.69, *customer)
    expected = first / 1.1 ** (1 / 12) + (both - first) / 1.1 ** (2 / 12)
    assert discounted_purchases(parameters, *customer, months=2, yearly_rate=0.1) == pytest.approx(expected)


def test_expected_spend_lies_between_customer_and_population() -> None:
    assert expected_spend(CDNOW_SPEND, [0], [0]) == pytest.approx(CDNOW_SPEND.population_mean)
    found = expected_spend(CDNOW_SPEND, [1, 4, 1000], [100, 100, 100])
    assert CDNOW_SPEND.population_mean < found[0] < found[1] < found[2] < 100
    assert found[2] == pytest.approx(100, abs=0.1)
    assert GammaGamma(6, 0.9, 15).population_mean is None


def test_weeks_are_rounded_as_published() -> None:
    assert list(weeks([0, 1, 2, 3, 4, 213, 272])) == [0.0, 0.14, 0.29, 0.43, 0.57, 30.43, 38.86]


# --- sBG -------------------------------------------------------------------------------------------------------------


@needs_survival
@pytest.mark.parametrize("published", [REGULAR, HIGH_END], ids=["regular", "high end"])
def test_sbg_is_the_published_one(published: tuple) -> None:
    column, parameters, log_likelihood, survival, lifetime, residual = published
    with SURVIVAL.open(newline="", encoding="utf-8") as file:
        shares = [float(row[column]) / 100 for row in csv.DictReader(file)]
    left = np.array([shares[year] - shares[year + 1] for year in range(7)])
    fit = fit_sbg(Renewals(left, np.array([0.0] * 7 + [shares[7]])))
    assert fit.converged
    assert fit.parameters == pytest.approx((parameters.alpha, parameters.beta), rel=1e-6)
    assert fit.log_likelihood == pytest.approx(log_likelihood, abs=1e-6)
    fitted = Sbg(*fit.parameters)
    assert float(sbg_survival(fitted, 12)) == pytest.approx(survival, abs=5e-5)
    assert del_(fitted, 0.1) == pytest.approx(lifetime, abs=1e-6)
    assert [derl(fitted, tenure, 0.1) for tenure in (1, 2, 3, 4)] == pytest.approx(residual, abs=5.1e-5)


@pytest.mark.parametrize("parameters", [REGULAR[1], HIGH_END[1], Sbg(0.05, 0.4), Sbg(8, 120)])
def test_lifetimes_are_sums_over_survival(parameters: Sbg) -> None:
    survival = sbg_survival(parameters, np.arange(2000))
    discounts = 1.1 ** -np.arange(2000)
    assert survival[0] == 1
    assert survival[1:] / survival[:-1] == pytest.approx(sbg_next_term(parameters, np.arange(1999)))
    assert del_(parameters, 0.1) == pytest.approx(float(survival @ discounts))
    assert derl(parameters, 3, 0.1) == pytest.approx(float(survival[3:] @ discounts[:-3] / survival[2]))


def test_censored_customers_are_counted() -> None:
    parameters = Sbg(0.7, 3.0)
    data = Renewals.of(left_in=[1, 1, 3], alive_after=[0, 2, 5, 5])
    survival = sbg_survival(parameters, np.arange(6))
    expected = 2 * math.log(1 - survival[1]) + math.log(survival[2] - survival[3])
    expected += math.log(survival[2]) + 2 * math.log(survival[5])
    assert sbg_log_likelihood(parameters, data) == pytest.approx(expected)


def test_nobody_leaves_is_no_fit() -> None:
    assert not fit_sbg(Renewals.of(left_in=[], alive_after=[1, 2, 5, 5])).converged


def test_contract_months_by_hand() -> None:
    parameters, monthly = Sbg(0.7, 3.0), 1.1 ** (-1 / 12)
    stay = sbg_next_term(parameters, np.arange(10))
    # Two months to the next renewal of a quarterly contract that has completed four periods.
    by_hand = monthly + monthly**2 + stay[4] * sum(monthly**k for k in (3, 4, 5)) + stay[4] * stay[5] * monthly**6
    assert contract_months(parameters, 4, 3, 2, 6, 0.1) == pytest.approx(float(by_hand))
    assert contract_months(parameters, 4, 3, 2, 6, 0.1, known_months=2) == pytest.approx(monthly + monthly**2)
    assert contract_months(parameters, 4, 3, 2, 6, 0.1, known_months=0) == 0
    # Renewal today: the first month already needs it. In the long run this is the residual lifetime.
    assert contract_months(parameters, 1, 1, 0, 2400, 0.1) == pytest.approx(
        monthly * derl(parameters, 2, 1 / monthly - 1), rel=1e-3
    )
