"""The simulated bases are what they say: the files hold the histories, the histories follow the true parameters."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import numpy as np
import pytest
from clv_reference import BgNbd, GammaGamma, Sbg, fit_bgnbd, fit_gamma_gamma, fit_sbg, sbg_survival
from clv_simulation import (
    AS_OF,
    ContractBase,
    PurchaseBase,
    comparison_bases,
    comparison_contracts,
    coverage_bases,
    coverage_contracts,
    simulate_contracts,
    simulate_purchases,
)


def test_files_hold_the_purchase_histories(tmp_path: Path) -> None:
    simulated = simulate_purchases(tmp_path, comparison_bases(50), 1)
    rows = duckdb.sql(
        f"""
        with days as (
            select account_id, cast(ordered_at as date) as day, sum(amount) as value
            from '{tmp_path}/orders.parquet' group by all
        ), ranked as (
            select *, row_number() over (partition by account_id order by day) as place from days
        )
        select account_id, count(*) - 1, max(day) - min(day), date '{AS_OF}' - 1 - min(day),
            coalesce(cast(avg(case when place > 1 then value end) as double), 0)
        from ranked group by account_id order by account_id
        """
    ).fetchall()
    assert [row[0] for row in rows] == simulated.account_id
    for column, values in enumerate((simulated.x, simulated.recency_days, simulated.age_days), 1):
        assert [row[column] for row in rows] == list(values)
    assert [row[4] for row in rows] == pytest.approx(list(simulated.mean))
    assert duckdb.sql(f"select max(ordered_at) from '{tmp_path}/orders.parquet'").fetchall()[0][0].date() < AS_OF
    # Purchases that fell on one day are in the files as they came.
    assert duckdb.sql(f"select count(*) from '{tmp_path}/orders.parquet'").fetchall()[0][0] > len(rows) + sum(
        row[1] for row in rows
    )


def test_files_hold_the_contracts(tmp_path: Path) -> None:
    simulated = simulate_contracts(tmp_path, comparison_contracts(40), 1)
    rows = duckdb.sql(
        f"""
        select account_id, valid_from, valid_to, amount from '{tmp_path}/subscriptions.parquet' order by account_id
        """
    ).fetchall()
    assert [row[0] for row in rows] == simulated.account_id
    assert [float(row[3]) for row in rows] == list(simulated.mrr)
    for row, left_in, completed in zip(rows, simulated.left_in, simulated.completed, strict=True):
        _, start, end, _ = row
        periods = ((end or AS_OF).year - start.year) * 12 + (end or AS_OF).month - start.month
        if left_in:
            assert periods == left_in and end.day == start.day and end <= AS_OF
        else:
            assert end is None and completed == periods - (start.day > AS_OF.day)


def test_same_seed_same_base(tmp_path: Path) -> None:
    first, again, other = (
        simulate_purchases(tmp_path / str(n), comparison_bases(30), seed) for n, seed in enumerate((5, 5, 6))
    )
    assert np.array_equal(first.mean, again.mean) and not np.array_equal(first.mean, other.mean)
    assert (tmp_path / "0" / "orders.parquet").read_bytes() == (tmp_path / "1" / "orders.parquet").read_bytes()


def test_true_parameters_are_found_again(tmp_path: Path) -> None:
    purchases, spend = BgNbd(1.5, 24.0, 0.6, 2.0), GammaGamma(6.0, 4.0, 15.0)
    simulated = simulate_purchases(tmp_path / "p", [PurchaseBase("big", 40_000, purchases, spend)], 3)
    fit, spend_fit = fit_bgnbd(simulated.histories(0)), fit_gamma_gamma(simulated.spending(0))
    assert fit.converged and spend_fit.converged
    assert fit.parameters == pytest.approx((1.5, 24.0, 0.6, 2.0), rel=0.12)
    assert spend_fit.parameters == pytest.approx((6.0, 4.0, 15.0), rel=0.12)
    values = simulated.residual_values(0, 12, 0.1)
    fitted = simulated.residual_values(0, 12, 0.1, 1.0, BgNbd(*fit.parameters), GammaGamma(*spend_fit.parameters))
    assert fitted.sum() == pytest.approx(values.sum(), rel=0.03)

    contracts = simulate_contracts(tmp_path / "c", [ContractBase("big", 20_000, Sbg(0.7, 3.8))], 3)
    contract_fit = fit_sbg(contracts.renewals(0))
    assert contract_fit.converged
    assert contract_fit.parameters == pytest.approx((0.7, 3.8), rel=0.12)
    # What is paid in the next twelve months under the truth, discounted, for one who is still there.
    true = Sbg(0.7, 3.8)
    who = int(np.flatnonzero(contracts.left_in == 0)[0])
    n = int(contracts.completed[who])
    by_hand = sum(float(sbg_survival(true, n + k) / sbg_survival(true, n)) * 1.1 ** (-(k + 1) / 12) for k in range(12))
    assert contracts.residual_values(0, 12, 0.1)[who] == pytest.approx(contracts.mrr[who] * by_hand)


def test_every_comparison_base_has_a_maximum(tmp_path: Path) -> None:
    simulated = simulate_purchases(tmp_path / "p", comparison_bases(), 7)
    assert len(simulated.bases) == 20 and any(base.purchases.a > 1 for base in simulated.bases)
    for n, base in enumerate(simulated.bases):
        assert fit_bgnbd(simulated.histories(n)).converged, base
        assert fit_gamma_gamma(simulated.spending(n)).converged, base
    contracts = simulate_contracts(tmp_path / "c", comparison_contracts(), 7)
    assert all(fit_sbg(contracts.renewals(n)).converged for n in range(len(contracts.bases)))


def test_coverage_bases_can_be_told_apart() -> None:
    for bases in (coverage_bases(), coverage_contracts()):
        assert len(bases) == 200 == len({base.industry for base in bases})


def test_dates_of_a_base_can_be_moved(tmp_path: Path) -> None:
    simulated = simulate_purchases(tmp_path, comparison_bases(5), 1, as_of=dt.date(2024, 3, 1), born_days=10, days=100)
    assert simulated.age_days.max() == 99 and simulated.age_days.min() >= 89
