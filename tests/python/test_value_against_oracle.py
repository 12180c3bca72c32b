"""`account_clv` of a mixed customer base, recomputed end to end in plain Python from the rows of the contract.

The parameters of the fits are taken from the build (they are proven in test_clv_models.py); everything they are made of
and everything made of them is computed twice.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from clv_reference import BgNbd, GammaGamma, Sbg, fit_bgnbd, fit_gamma_gamma, fit_sbg
from clv_reference import Histories, Renewals, Spending, weeks
from oracle import add_months
from project import Warehouse, build_files
from value_histories import AS_OF, value_base, write_value_base
from value_oracle import Models, ValueOptions, ValueOracle

pytestmark = pytest.mark.slow
ACCOUNTS = 420

Choices = dict[str, Any]
CHOICES: dict[str, Choices] = {
    "defaults": {},
    "invoiced": {
        "revenue_basis": "invoiced", "gross_margin": 0.8, "acquisition_cost_grain": "month", "clv_horizon_months": 36,
        "clv_discount_rate": 0.18,
    },
}  # fmt: skip
EXACT = [
    "relationship", "tenure_months", "historic_revenue", "historic_discounts", "historic_refunds", "cost_to_serve", "retention_cost",
    "historic_clv", "acquisition_cost", "payback_month", "currency",
]  # fmt: skip
CLOSE = [
    "p_alive", "survival_next_term", "expected_purchases_12m", "expected_periods_12m", "expected_spend",
    "predictive_clv_12m", "residual_clv", "total_clv", "clv_to_cac",
]  # fmt: skip


@pytest.mark.parametrize("choice", CHOICES)
def test_every_account_of_a_mixed_base(tmp_path: Path, choice: str) -> None:
    choices = CHOICES[choice]
    rows = value_base(seed=3, accounts=ACCOUNTS)
    write_value_base(tmp_path / "files", rows)
    warehouse = build_files(
        tmp_path / "work",
        tmp_path / "files",
        AS_OF.isoformat(),
        command="run",
        select="+account_clv +clv_model_fits",
        clv_segment_dimension=None,
        clv_backtest_months_back=[3],
        clv_min_customers=5,
        **choices,
    )
    assert warehouse.success, warehouse.messages()
    ours = {row["account_id"]: row for row in warehouse.rows("select * from marts.account_clv")}
    options = {key: Decimal(str(value)) if key == "gross_margin" else value for key, value in choices.items()}
    oracle = ValueOracle(rows, ValueOptions(as_of=AS_OF, **options), models(warehouse, ours))
    theirs = oracle.account_clv()
    assert ours.keys() == theirs.keys()
    apart = []
    for account_id, expected in theirs.items():
        row = ours[account_id]
        for column in EXACT:
            if row[column] != expected[column]:
                apart.append((account_id, column, row[column], expected[column]))
        for column in CLOSE:
            # to the cent, and shares and counts to 1e-6
            within = pytest.approx(expected[column], rel=1e-7, abs=1e-6) if expected[column] is not None else None
            if row[column] != within:
                apart.append((account_id, column, row[column], expected[column]))
    assert apart == [], f"{len(apart)} differ: {apart[:10]}"
    valued = Counter(row["model_status"] for row in ours.values())
    assert valued["converged"] > ACCOUNTS / 2 and valued["churned"] > 20 and valued["never_a_customer"] > 10, valued
    assert {row["model"] for row in ours.values()} >= {"sbg", "bgnbd"}
    statistics_are_the_oracles(warehouse, oracle)


def models(warehouse: Warehouse, ours: dict[str, dict[str, Any]]) -> Models:
    """The fitted parameters of each account, as the build has found them."""
    renewals = {
        row["period_months"]: Sbg(row["alpha"], row["beta"])
        for row in warehouse.rows(
            f"select * from intermediate.int_renewal_fits where as_of_date = date '{AS_OF}' and status = 'converged'"
        )
    }
    fits = {
        row["model"]: row
        for row in warehouse.rows(
            "select * from marts.clv_model_fits where is_current and status = 'converged' and period_months is null"
        )
    }
    purchases, spend = fits["bgnbd"], fits["gamma_gamma"]
    return Models(
        lambda account_id: renewals.get(ours[account_id]["period_months"]),
        lambda account_id: BgNbd(*(purchases[name] for name in ("r", "alpha", "a", "b"))),
        lambda account_id: GammaGamma(*(spend[name] for name in ("p", "q", "v"))),
    )


def statistics_are_the_oracles(warehouse: Warehouse, oracle: ValueOracle) -> None:
    """The fits themselves, made again by scipy from what the oracle knows of each customer."""
    buyers = [oracle.purchases[key] for key in sorted(oracle.accounts) if oracle.relationship(key) == "no_contract"]
    data = Histories.of(
        [one.x for one in buyers], weeks([one.recency_days for one in buyers]), weeks([one.age_days for one in buyers])
    )
    repeaters = [key for key in oracle.accounts if oracle.relationship(key) == "no_contract" and oracle.mean_value(key) > 0]
    spending = Spending.of(
        [oracle.purchases[key].x for key in repeaters], [float(oracle.mean_value(key)) for key in repeaters]
    )
    fits = {
        (row["model"], row["period_months"]): row
        for row in warehouse.rows("select * from marts.clv_model_fits where is_current and status = 'converged'")
    }
    assert fits["bgnbd", None]["log_likelihood"] == pytest.approx(fit_bgnbd(data).log_likelihood, abs=1e-6)
    assert fits["gamma_gamma", None]["log_likelihood"] == pytest.approx(fit_gamma_gamma(spending).log_likelihood, abs=1e-6)
    compared = 0
    for (model, period), fit in fits.items():
        if model != "sbg":
            continue
        left, alive = [], []
        for run in oracle.term_runs:
            if run.period_months != period or run.start > AS_OF:
                continue
            is_observed = run.left_in is not None and add_months(run.start, run.left_in * period) <= AS_OF
            if is_observed:
                left.append(run.left_in)
            elif run.completed is not None:
                alive.append(run.completed)
            else:
                # left within a period that is not over yet: seen for the one before
                alive.append(run.left_in - 1)
        assert fit["log_likelihood"] == pytest.approx(fit_sbg(Renewals.of(left, alive)).log_likelihood, abs=1e-6)
        compared += 1
    assert compared >= 1
