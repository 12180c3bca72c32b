"""`account_clv` and what it is made of against the oracle of customer value: a mixed base, money to the last digit.

Built twice: with the defaults inside a month, and with every choice made otherwise on the first day of a quarter."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from clv_reference import (
    BgNbd,
    GammaGamma,
    Histories,
    Renewals,
    Sbg,
    Spending,
    cents,
    fit_bgnbd,
    fit_gamma_gamma,
    fit_sbg,
    weeks,
)
from project import Warehouse, build_files
from value_histories import AS_OF, Rows, value_base, write_value_base
from value_oracle import Models, ValueOptions, ValueOracle

EXACT = [
    "relationship", "tenure_months", "historic_revenue", "historic_discounts", "historic_refunds", "cost_to_serve",
    "retention_cost", "historic_clv", "acquisition_cost", "payback_month", "currency",
]  # fmt: skip
ESTIMATED = [
    "p_alive", "survival_next_term", "expected_purchases_12m", "expected_periods_12m", "expected_spend",
    "predictive_clv_12m", "residual_clv", "total_clv", "clv_to_cac",
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A base and the options it is built with."""

    seed: int
    options: ValueOptions
    variables: dict[str, Any]

    @property
    def base(self) -> Rows:
        return value_base(self.seed, as_of=self.options.as_of)


OTHERWISE = {
    "revenue_basis": "invoiced",
    "gross_margin": Decimal("0.6"),
    "acquisition_cost_grain": "month",
    "clv_horizon_months": 30,
    "clv_discount_rate": 0.25,
    "reporting_time_zone": "Asia/Tokyo",
    "reactivation_gap_days": 100,
    "pause_is_churn": True,
}
CASES = {
    "defaults": Case(1, ValueOptions(as_of=AS_OF), {}),
    "otherwise": Case(1, ValueOptions(as_of=dt.date(2025, 7, 1), **OTHERWISE), OTHERWISE),
}


@pytest.fixture(scope="module", params=["defaults", pytest.param("otherwise", marks=pytest.mark.slow)])
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture(scope="module")
def built(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder: Path = tmp_path_factory.mktemp("mixed_base")
    write_value_base(folder / "files", case.base)
    variables = {key: float(value) if isinstance(value, Decimal) else value for key, value in case.variables.items()}
    warehouse = build_files(folder, folder / "files", case.options.as_of.isoformat(), **variables)
    assert warehouse.success, warehouse.messages()
    return warehouse


def fits(built: Warehouse, model: str, case: Case) -> list[dict[str, Any]]:
    return built.rows(f"select * from intermediate.{model} where as_of_date = ?", [case.options.as_of])


@pytest.fixture(scope="module")
def mart(built: Warehouse) -> dict[str, dict[str, Any]]:
    return {row["account_id"]: row for row in built.rows("select * from marts.account_clv")}


@pytest.fixture(scope="module")
def oracle(case: Case, built: Warehouse, mart: dict[str, dict[str, Any]]) -> ValueOracle:
    """The oracle, with the fits the mart says it has used; that they are right is tested below."""
    renewals = {
        (row["model"], row["period_months"], row["segment_value"]): row for row in fits(built, "int_renewal_fits", case)
    }
    purchases = {row["segment_value"]: row for row in fits(built, "int_bgnbd_fits", case)}
    spend = {row["segment_value"]: row for row in fits(built, "int_gamma_gamma_fits", case)}

    def where_converged(make: Callable[[dict[str, Any]], Any]) -> Callable[[str], Any]:
        return lambda account_id: make(mart[account_id]) if mart[account_id]["model_status"] == "converged" else None

    def contract(row: dict[str, Any]) -> Sbg | float:
        fit = renewals[row["model"], row["period_months"], row["model_segment"]]
        return float(fit["churn_probability"]) if row["model"] == "geometric" else Sbg(fit["alpha"], fit["beta"])

    def parameters(kind: Any, rows: dict[str, dict[str, Any]], *names: str) -> Callable[[dict[str, Any]], Any]:
        return lambda row: kind(*(rows[row["model_segment"]][name] for name in names))

    models = Models(
        where_converged(contract),
        where_converged(parameters(BgNbd, purchases, "r", "alpha", "a", "b")),
        where_converged(parameters(GammaGamma, spend, "p", "q", "v")),
    )
    return ValueOracle(case.base, case.options, models)


def test_every_account_is_worth_what_the_oracle_says(mart: dict[str, dict[str, Any]], oracle: ValueOracle) -> None:
    expected = oracle.account_clv()
    assert set(mart) == set(expected)
    differences = []
    for account_id, row in expected.items():
        for name in EXACT + ESTIMATED:
            found = mart[account_id][name]
            if found is not None and row[name] is not None and name in ESTIMATED:
                agree = float(found) == pytest.approx(row[name], rel=1e-6, abs=1e-9)
            else:
                agree = found == row[name]
            if not agree:
                differences.append((account_id, oracle.accounts[account_id]["industry"], name, found, row[name]))
    assert not differences


def test_the_comparison_is_not_of_nulls(mart: dict[str, dict[str, Any]]) -> None:
    for relationship, model in (("contract", "sbg"), ("contract", "geometric"), ("no_contract", "bgnbd")):
        scored = [row for row in mart.values() if row["relationship"] == relationship and row["model"] == model]
        assert sum(row["residual_clv"] is not None and row["residual_clv"] > 0 for row in scored) >= 10, model
    assert sum(bool(row["acquisition_cost"]) for row in mart.values()) > 30
    assert sum(bool(row["payback_month"]) for row in mart.values()) > 10
    assert any(row["cost_to_serve"] < Decimal(0) for row in mart.values())


@pytest.mark.parametrize(
    ("model", "attribute"),
    [
        ("int_revenue_months", "revenue_months"),
        ("int_activity_months", "activity_months"),
        ("int_account_costs", "account_costs"),
        ("int_account_value_months", "value_months"),
    ],
)
def test_every_month_agrees(built: Warehouse, oracle: ValueOracle, model: str, attribute: str) -> None:
    expected = {key: cell for key, cell in getattr(oracle, attribute).items() if any(cell.values())}
    names = list(next(iter(expected.values())))
    found = {
        (row["account_id"], row["month_start"]): {name: row[name] for name in names}
        for row in built.rows(f"select * from intermediate.{model}")
    }
    assert {key: cell for key, cell in found.items() if any(cell.values())} == expected


def test_costs_agree(built: Warehouse, oracle: ValueOracle) -> None:
    # a cost on a test account is no cost of the customers
    found = {
        (row["cost_id"], row["month_start"]): {
            name: row[name] for name in ("kind", "category", "channel", "account_id", "cost")
        }
        for row in built.rows("select * from intermediate.int_cost_months")
    }
    assert found == oracle.cost_months


def test_fits_agree(case: Case, built: Warehouse, oracle: ValueOracle) -> None:
    purchases = [history for key, history in oracle.purchases.items() if key not in oracle.paid]
    x = [history.x for history in purchases]
    bgnbd = fit_bgnbd(
        Histories.of(x, weeks([h.recency_days for h in purchases]), weeks([h.age_days for h in purchases]))
    )
    spend = fit_gamma_gamma(Spending.of(x, cents([float(history.mean) for history in purchases])))
    expected = {"int_bgnbd_fits": (bgnbd, "r alpha a b"), "int_gamma_gamma_fits": (spend, "p q v")}
    for model, (fit, names) in expected.items():
        assert fit.converged
        (whole,) = [row for row in fits(built, model, case) if row["segment_value"] == "all"]
        assert [whole[name] for name in names.split()] == pytest.approx(list(fit.parameters), rel=1e-5), model
        assert whole["log_likelihood"] == pytest.approx(fit.log_likelihood, abs=1e-8), model
    monthly = [run for run in oracle.term_runs if run.period_months == 1]
    sbg = fit_sbg(
        Renewals.of(
            [run.left_in for run in monthly if run.left_in is not None],
            [run.completed for run in monthly if run.completed is not None],
        )
    )
    (whole,) = [
        row for row in fits(built, "int_sbg_fits", case) if (row["segment_value"], row["period_months"]) == ("all", 1)
    ]
    assert [whole["alpha"], whole["beta"]] == pytest.approx(list(sbg.parameters), rel=1e-5)
    assert whole["log_likelihood"] == pytest.approx(sbg.log_likelihood, abs=1e-8)
