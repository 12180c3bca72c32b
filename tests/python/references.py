"""What a build must hold by the references, whichever engine has made it: the worked examples of the metric
definitions, the published months of ChurnSim crm5, the published fits of CDNOW."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from agreement import differences
from project import SHARED_DATA, Warehouse
from worked_examples import (
    Example,
    expected_account_months,
    expected_cohort,
    expected_movements,
    expected_quarters,
)

CRM5 = SHARED_DATA / "churnsim_crm5"
needs_crm5 = pytest.mark.skipif(
    not (CRM5 / "event_daily.parquet").is_file(),
    reason="ChurnSim crm5 is not beside the repository (../shared/data/churnsim_crm5): its example is not tested",
)

# --- worked examples -------------------------------------------------------------------------------------------------

WORKED_MARTS = ("account_months", "mrr_movements", "cohort_retention", "churn_by_segment")
WORKED_VARIABLES: dict[str, Any] = {"segment_dimensions": ["industry", "plan", "contract_length"]}


def worked_differences(example: Example, warehouse: Warehouse) -> list[str]:
    """Every difference between the example's rows and the marts."""
    account = [example.account_id]
    segment = "segment_dimension = 'industry' and segment_value = ?"
    months = warehouse.rows("select * from marts.account_months where account_id = ?", account)
    movements = warehouse.rows(
        "select * from marts.mrr_movements where account_id = ? and (movement <> 'none' or mrr_change <> 0)", account
    )
    cohort = warehouse.rows(
        f"select * from marts.cohort_retention where cohort_grain = 'month' and {segment}", [example.name]
    )
    wanted_quarters = expected_quarters(example)
    quarters = [
        row
        for row in warehouse.rows(
            f"select * from marts.churn_by_segment where period_grain = 'quarter' and {segment}", [example.name]
        )
        if row["period_start"] in [expected["period_start"] for expected in wanted_quarters]
    ]
    return [
        *differences("account_months", expected_account_months(example), months),
        *differences("mrr_movements", expected_movements(example), movements),
        *differences("cohort_retention", expected_cohort(example), cohort),
        *differences("churn_by_segment", wanted_quarters, quarters),
    ]


# --- ChurnSim crm5 ---------------------------------------------------------------------------------------------------

# Column of mrr_monthly by column of expected_monthly.csv.
CRM5_COLUMNS = {
    "n_start": "customers_start",
    "n_churn": "customers_churned",
    "start_mrr": "mrr_start",
    "churn_mrr": "mrr_churn",
    "downsell_mrr": "mrr_contraction",
    "retained_mrr": "mrr_retained_net",
}


def crm5_expected() -> dict[dt.date, dict[str, Decimal]]:
    with (CRM5 / "expected_monthly.csv").open(newline="", encoding="utf-8") as file:
        return {
            dt.date.fromisoformat(row["from_date"]): {to: Decimal(row[of]) for of, to in CRM5_COLUMNS.items()}
            for row in csv.DictReader(file)
        }


def decimals(row: dict[str, Any], columns: Iterable[str]) -> dict[str, Decimal]:
    return {column: Decimal(str(row[column])) for column in columns}


def assert_crm5_months(warehouse: Warehouse) -> None:
    """The 23 months of the published queries."""
    columns = ", ".join(CRM5_COLUMNS.values())
    rows = warehouse.rows(
        f"select month_start, is_complete, {columns} from marts.mrr_monthly "
        "where month_start between '2022-02-01' and '2023-12-01'"
    )
    assert len(rows) == 23
    assert all(row["is_complete"] for row in rows)
    assert {row["month_start"]: decimals(row, CRM5_COLUMNS.values()) for row in rows} == crm5_expected()


# --- CDNOW -----------------------------------------------------------------------------------------------------------

# As of the end of the hold-out, with the models fitted on the 39 weeks before it as the backtest.
CDNOW_AS_OF = "1998-07-01"
CDNOW_VARIABLES: dict[str, Any] = {"clv_backtest_months_back": [9], "clv_discount_rate": 1.01**12 - 1}


def fit_of(
    warehouse: Warehouse, model: str, segment: str = "all", as_of: str | None = None, **more: Any
) -> dict[str, Any]:
    """The row of clv_model_fits; of the current date unless another is named."""
    date = f"as_of_date = date '{as_of}'" if as_of else "is_current"
    further = "".join(f" and {key} = {value}" for key, value in more.items())
    (row,) = warehouse.rows(
        f"select * from marts.clv_model_fits where {date} and model = ? and segment_value = ?{further}",
        [model, segment],
    )
    return row


def assert_cdnow_parameters(warehouse: Warehouse) -> None:
    """The published parameters of BG/NBD and gamma-gamma, fitted on the first 39 weeks."""
    bgnbd = fit_of(warehouse, "bgnbd", as_of="1997-10-01")
    assert bgnbd["status"] == "converged" and bgnbd["n"] == 2357
    assert [bgnbd[name] for name in ("r", "alpha", "a", "b")] == pytest.approx(
        [0.2425929, 4.4135315, 0.7928861, 2.4257537], rel=1e-6
    )
    assert bgnbd["log_likelihood"] == pytest.approx(-9582.425560567, abs=1e-6)
    spend = fit_of(warehouse, "gamma_gamma", as_of="1997-10-01")
    assert spend["status"] == "converged" and spend["n"] == 946
    assert [spend[name] for name in ("p", "q", "v")] == pytest.approx([6.248803, 3.744588, 15.447746], rel=1e-6)
    assert spend["log_likelihood"] == pytest.approx(-4055.923244, abs=1e-6)
    assert spend["spend_frequency_correlation"] == pytest.approx(0.1139, abs=5e-5)
