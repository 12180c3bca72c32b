"""The marts against the worked examples of the metric definitions, row by row: all of them in one build, and W12 again
in a build whose churn is dated by notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import histories
import pytest
import worked_examples as examples
from agreement import differences
from project import Warehouse, build_files

MARTS = ("account_months", "mrr_movements", "cohort_retention", "churn_by_segment")


def build(work: Path, found: list[examples.Example], **variables: Any) -> Warehouse:
    """The marts of these examples."""
    warehouse = build_files(
        work,
        histories.write(work / "files", examples.inputs(found)),
        examples.AS_OF.isoformat(),
        select=" ".join(f"+{mart}" for mart in MARTS),
        exclude="resource_type:test",
        segment_dimensions=["industry", "plan", "contract_length"],
        **variables,
    )
    assert warehouse.success, warehouse.messages()
    return warehouse


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return build(tmp_path_factory.mktemp("examples"), examples.EXAMPLES)


@pytest.fixture(scope="session")
def by_notice(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    work = tmp_path_factory.mktemp("examples_by_notice")
    return build(work, [examples.W12_BY_NOTICE], churn_recognition="notice")


def found(example: examples.Example, warehouse: Warehouse) -> list[str]:
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
    expected_quarters = examples.expected_quarters(example)
    quarters = [
        row
        for row in warehouse.rows(
            f"select * from marts.churn_by_segment where period_grain = 'quarter' and {segment}", [example.name]
        )
        if row["period_start"] in [expected["period_start"] for expected in expected_quarters]
    ]
    return [
        *differences("account_months", examples.expected_account_months(example), months),
        *differences("mrr_movements", examples.expected_movements(example), movements),
        *differences("cohort_retention", examples.expected_cohort(example), cohort),
        *differences("churn_by_segment", expected_quarters, quarters),
    ]


@pytest.mark.parametrize("example", examples.EXAMPLES, ids=lambda example: example.name)
def test_worked_example(example: examples.Example, packed: Warehouse) -> None:
    differences_found = found(example, packed)
    assert not differences_found, "\n".join(differences_found)


def test_notice_dates_the_churn_of_w12_in_may(by_notice: Warehouse) -> None:
    differences_found = found(examples.W12_BY_NOTICE, by_notice)
    assert not differences_found, "\n".join(differences_found)
