"""Customer bases nothing can be fitted to: the build stays green, the fits say why, and nobody gets a made-up value."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from oracle import add_months
from project import Warehouse, build_files, write_entity

pytestmark = pytest.mark.slow
AS_OF = dt.date(2025, 7, 1)
EUR = {"currency": "EUR"}


class Base:
    """Accounts with monthly contracts or orders, as contract files."""

    def __init__(self) -> None:
        self.accounts: list[dict[str, Any]] = []
        self.subscriptions: list[dict[str, Any]] = []
        self.orders: list[dict[str, Any]] = []

    def contracts(self, name: str, months_paid: Iterable[int | None], term: int = 1) -> None:
        """One account per entry, from 2024-01-15: left after so many months, or there still."""
        start = dt.date(2024, 1, 15)
        for number, months in enumerate(months_paid):
            account_id = f"{name}-{number:02d}"
            self.accounts.append({"account_id": account_id, "industry": name, "acquired_on": start})
            self.subscriptions.append({
                "subscription_id": account_id, "account_id": account_id, "valid_from": start, "amount": 50,
                "valid_to": add_months(start, months) if months else "", "billing_interval_months": term,
                "contract_term_months": term, **EUR,
            })  # fmt: skip

    def shops(self, name: str, customers: int, purchases: int, amount: float, returned: float = 0) -> None:
        """Customers who bought so often, each on days of his own."""
        for number in range(customers):
            account_id = f"{name}-{number:02d}"
            first = dt.date(2024, 2, 1) + dt.timedelta(days=3 * number)
            self.accounts.append({"account_id": account_id, "industry": name, "acquired_on": first})
            for purchase in range(purchases):
                day = first + dt.timedelta(days=(30 + number) * purchase)
                self.orders.append({
                    "order_id": f"{account_id}-{purchase}", "account_id": account_id, "amount": amount,
                    "ordered_at": f"{day} 12:00:00", "returned_amount": returned, **EUR,
                })  # fmt: skip

    def build(self, work: Path, **variables: Any) -> Warehouse:
        write_entity(work / "files", "accounts", self.accounts)
        for entity, rows in (("subscriptions", self.subscriptions), ("orders", self.orders)):
            if rows:
                write_entity(work / "files", entity, rows)
        warehouse = build_files(
            work / "work",
            work / "files",
            AS_OF.isoformat(),
            select="+path:models/marts/value",
            **{"clv_backtest_months_back": [6], "clv_segment_dimension": "industry", **variables},
        )
        assert warehouse.success, warehouse.messages()
        return warehouse


def statuses(warehouse: Warehouse, segment: str = "all") -> dict[str, str]:
    return {
        row["model"]: row["status"]
        for row in warehouse.rows(
            "select model, status from marts.clv_model_fits where is_current and segment_value = ?", [segment]
        )
    }


def reasons(warehouse: Warehouse) -> dict[str, set[str]]:
    """Why accounts have no value, by relationship; their estimates are null."""
    rows = warehouse.rows(
        "select relationship, model_status, residual_clv, total_clv, value_tier from marts.account_clv "
        "where model_status not in ('converged', 'churned')"
    )
    found: dict[str, set[str]] = {}
    for row in rows:
        assert row["residual_clv"] is None and row["total_clv"] is None and row["value_tier"] == "unknown"
        found.setdefault(row["relationship"], set()).add(row["model_status"])
    return found


def test_nobody_leaves_and_nobody_comes_back(tmp_path: Path) -> None:
    base = Base()
    base.contracts("loyal", [None] * 40)
    base.shops("once", 40, 1, 20)
    warehouse = base.build(tmp_path)
    assert statuses(warehouse) == {"sbg": "nobody_left", "bgnbd": "nobody_repeats"}
    assert statuses(warehouse, "loyal") == {"sbg": "whole_not_fitted"}
    assert reasons(warehouse) == {"contract": {"nobody_left"}, "no_contract": {"nobody_repeats"}}
    assert warehouse.value("select sum(customers_unscored) from marts.clv_backtest where grouping_kind = 'all'") == 80


def test_everybody_leaves_and_nobody_pays(tmp_path: Path) -> None:
    base = Base()
    base.contracts("gone", [1] * 40)
    base.shops("free", 40, 4, 0)
    warehouse = base.build(tmp_path)
    # mean values of 0 leave gamma-gamma without a customer: there is no fit, and the score says so
    assert statuses(warehouse).pop("sbg") == "everybody_left"
    assert "gamma_gamma" not in statuses(warehouse)
    assert statuses(warehouse)["bgnbd"] in ("converged", "at_boundary", "not_identified", "not_converged")
    assert len(reasons(warehouse)["no_contract"]) == 1
    assert "converged" not in reasons(warehouse)["no_contract"]
    assert warehouse.value("select sum(residual_clv) from marts.account_clv where model_status = 'churned'") == 0


def test_five_customers_and_everything_returned(tmp_path: Path) -> None:
    base = Base()
    base.contracts("few", [2, 5, None, None, None])
    base.shops("five", 5, 3, 20)
    warehouse = base.build(tmp_path)
    assert set(statuses(warehouse).values()) == {"too_few_customers"}
    assert reasons(warehouse) == {"contract": {"too_few_customers"}, "no_contract": {"too_few_customers"}}


def test_segments_of_every_kind_beside_each_other(tmp_path: Path) -> None:
    """Fitted each by itself, a segment that cannot be leaves the others alone and is scored with the whole; drawn
    towards the whole, nearly every segment can be."""
    base = Base()
    base.contracts("loyal", [None] * 40)
    base.contracts("gone", [1 + n % 5 for n in range(40)])
    base.contracts("mixed", [1 + n // 2 if n < 20 else None for n in range(60)])
    base.contracts("yearly", [12] * 5 + [None] * 35, term=12)
    base.shops("once", 40, 1, 20)
    base.shops("often", 40, 9, 20)
    base.shops("back", 30, 4, 30, returned=30)
    for number in range(40):
        base.shops(f"varied-{number % 4}", 1, 1 + number % 7, 10 + 7 * (number % 5))
        # the ids of a segment are told apart by its first customer only
        for row in (base.accounts[-1], *base.orders[-(1 + number % 7) :]):
            row["account_id"] = f"varied-{number:02d}"
        for row in base.orders[-(1 + number % 7) :]:
            row["order_id"] = f"varied-{number:02d}-{row['order_id']}"
    warehouse = base.build(tmp_path / "apart", clv_shrinkage_customers=0)
    assert statuses(warehouse, "loyal") == {"sbg": "nobody_left"}
    assert statuses(warehouse, "yearly") == {"sbg": "not_identified"}
    assert statuses(warehouse, "once") == {"bgnbd": "nobody_repeats"}
    assert "gamma_gamma" not in statuses(warehouse, "back"), "what comes back whole is worth nothing"
    monthly = warehouse.rows(
        "select distinct model, model_segment from marts.account_clv where account_id like 'loyal%'"
    )
    assert monthly == [{"model": "sbg", "model_segment": "all"}]
    # yearly contracts have come to one renewal: one probability for all is what can be known
    (yearly,) = warehouse.rows(
        "select distinct model, model_status, survival_next_term from marts.account_clv "
        "where account_id like 'yearly%' and is_active"
    )
    assert (yearly["model"], yearly["model_status"]) == ("geometric", "converged")
    assert yearly["survival_next_term"] == pytest.approx(35 / 40, abs=1e-9)
    warehouse = base.build(tmp_path / "drawn", clv_shrinkage_customers=30)
    drawn = {
        row["segment_value"]: row
        for row in warehouse.rows("select * from marts.clv_model_fits where is_current and period_months = 1")
    }
    assert {name: row["status"] for name, row in drawn.items()} == dict.fromkeys(
        ["all", "gone", "loyal", "mixed"], "converged"
    )
    hazard = {name: row["alpha"] / (row["alpha"] + row["beta"]) for name, row in drawn.items()}
    assert hazard["loyal"] < hazard["mixed"] < hazard["gone"], "drawn towards the whole, but not made equal to it"
    assert hazard["loyal"] < hazard["all"] < hazard["gone"]
