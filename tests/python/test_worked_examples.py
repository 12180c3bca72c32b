"""The marts against the worked examples of the metric definitions, row by row: all of them in one build, and W12 again
in a build whose churn is dated by notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import histories
import pytest
import worked_examples as examples
from project import Warehouse, build_files
from references import WORKED_MARTS, WORKED_VARIABLES, worked_differences


def build(work: Path, found: list[examples.Example], **variables: Any) -> Warehouse:
    """The marts of these examples."""
    warehouse = build_files(
        work,
        histories.write(work / "files", examples.inputs(found)),
        examples.AS_OF.isoformat(),
        select=" ".join(f"+{mart}" for mart in WORKED_MARTS),
        exclude="resource_type:test",
        **WORKED_VARIABLES,
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


@pytest.mark.parametrize("example", examples.EXAMPLES, ids=lambda example: example.name)
def test_worked_example(example: examples.Example, packed: Warehouse) -> None:
    differences_found = worked_differences(example, packed)
    assert not differences_found, "\n".join(differences_found)


def test_notice_dates_the_churn_of_w12_in_may(by_notice: Warehouse) -> None:
    differences_found = worked_differences(examples.W12_BY_NOTICE, by_notice)
    assert not differences_found, "\n".join(differences_found)
