"""The retention marts against the independent oracle: 1,000 random histories packed into one build per as-of date,
every row of every mart compared, money and counts exactly and doubles to 1e-12."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import histories
import pytest
from agreement import differences
from oracle import MARTS, Options, Oracle
from project import Warehouse, build_files

COUNT = 1000
DIMENSIONS = ("industry", "plan", "contract_length")
SELECTED = " ".join(f"+{mart}" for mart in [*MARTS, "input_accounting"])

# How each build differs from the defaults.
CASES: dict[str, Options] = {
    "boundary": Options(histories.AS_OF_BOUNDARY, DIMENSIONS),
    "inside": Options(histories.AS_OF_INSIDE, DIMENSIONS),
    "zone": Options(histories.AS_OF_INSIDE, DIMENSIONS, reporting_time_zone="America/New_York"),
    "choices": Options(
        histories.AS_OF_BOUNDARY,
        DIMENSIONS,
        churn_recognition="notice",
        pause_is_churn=True,
        reactivation_gap_days=10,
        reactivation_in_net_churn=True,
    ),
}
VARIABLES = (
    "reporting_time_zone",
    "churn_recognition",
    "pause_is_churn",
    "reactivation_gap_days",
    "reactivation_in_net_churn",
)


@dataclass
class Case:
    """One build and the oracle of the same input."""

    packed: histories.Rows
    options: Options
    warehouse: Warehouse

    @cached_property
    def oracle(self) -> Oracle:
        return Oracle(self.packed, self.options)

    def differences(self, mart: str) -> list[str]:
        return differences(mart, MARTS[mart](self.oracle), self.warehouse.rows(f"select * from marts.{mart}"))


@pytest.fixture(scope="session")
def packed() -> histories.Rows:
    return histories.pack(histories.collect(COUNT) + histories.met_before())


@pytest.fixture(scope="session", params=list(CASES))
def case(
    request: pytest.FixtureRequest, packed: histories.Rows, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Case]:
    options = CASES[request.param]
    work = tmp_path_factory.mktemp(f"oracle_{request.param}")
    # The first build is a whole one, so that the project's own data tests meet the histories too.
    part = {} if request.param == "boundary" else {"select": SELECTED, "exclude": "resource_type:test"}
    warehouse = build_files(
        work,
        histories.write(work / "files", packed),
        options.as_of.isoformat(),
        **part,
        segment_dimensions=list(options.segment_dimensions),
        **{name: getattr(options, name) for name in VARIABLES},
    )
    assert warehouse.success, warehouse.messages()
    yield Case(packed, options, warehouse)


def told(found: list[str], packed: histories.Rows, histories_shown: int = 3) -> str:
    """The differences, those of the first histories together with all their input rows."""
    names = list(dict.fromkeys(name for text in found for name in re.findall(r"\bh\d{4}\b", text)))
    parts = [f"{len(found)} differences, {len(names)} histories", *found[:40]]
    for name in names[:histories_shown]:
        parts.append(f"--- {name}")
        for entity, rows in packed.items():
            for row in rows:
                if str(row.get("account_id") or "").startswith(name):
                    parts.append(f"{entity}: " + ", ".join(f"{k}={v}" for k, v in row.items() if v is not None))
        parts += [text for text in found if name in text][:40]
    return "\n".join(parts)


@pytest.mark.slow
@pytest.mark.parametrize("mart", list(MARTS))
def test_mart_equals_the_oracle(case: Case, mart: str) -> None:
    found = case.differences(mart)
    assert not found, told(found, case.packed)


@pytest.mark.slow
def test_every_row_given_was_accepted_or_superseded_or_not_yet_known(case: Case) -> None:
    """Else the oracle would compare what the build has never seen."""
    accounting = case.warehouse.rows(
        "select entity, rows_read, rows_quarantined + rows_rejected_by_reader as refused from marts.input_accounting"
    )
    read = {row["entity"]: row["rows_read"] for row in accounting}
    assert {row["entity"]: row["refused"] for row in accounting if row["refused"]} == {}
    assert {entity: read[entity] for entity in case.packed} == {
        entity: len(rows) for entity, rows in case.packed.items()
    }


@pytest.mark.slow
def test_the_histories_reach_what_they_are_for(packed: histories.Rows) -> None:
    """A comparison proves nothing about what its input never does."""
    for as_of in histories.AS_OFS:
        oracle = Oracle(packed, Options(as_of, DIMENSIONS))
        months = oracle.account_months()
        labels = Counter(row["movement"] for row in months)
        for label in ("new", "expansion", "contraction", "churn", "reactivation"):
            assert labels[label] >= 60, (as_of, labels)
        movements = oracle.mrr_movements()
        assert sum(row["movement"] == "fx" for row in movements) >= 1000
        switched = [row for row in months if row["movement"] in ("expansion", "contraction")]
        currencies = Counter((row["account_id"], row["month_start"]) for row in movements if row["mrr_change"])
        assert sum(currencies[row["account_id"], row["month_start"]] > 1 for row in switched) >= 20
        assert sum(row["joined_and_left"] for row in months) >= 30
        assert sum(row["left_and_returned"] for row in months) >= 50
        assert sum(not row["mrr_start"] for row in months if row["is_active_start"]) >= 100
        cohorts = oracle.cohort_retention()
        assert Counter(row["relationship"] for row in cohorts)["no_contract"] >= 1000
        assert sum(row["customers_retained"] > row["customers_retained_uninterrupted"] for row in cohorts) >= 500
        assert len({row["contract_length"] for row in months}) == 5
    assert sum(bool(row["recorded_at"]) for row in packed["subscriptions"]) >= 500


def test_the_oracle_keeps_the_laws_of_its_own_metrics(packed: histories.Rows) -> None:
    oracle = Oracle(packed, Options(histories.AS_OF_INSIDE, DIMENSIONS))
    monthly = oracle.mrr_monthly()
    for before, after in pairwise(monthly):
        assert (before["mrr_end"], before["customers_end"]) == (after["mrr_start"], after["customers_start"])
    for row in monthly:
        won = row["mrr_new"] + row["mrr_expansion"] + row["mrr_reactivation"] + row["mrr_fx"]
        assert row["mrr_start"] + won - row["mrr_contraction"] - row["mrr_churn"] == row["mrr_end"]
    for row in oracle.churn_by_segment():
        assert row["grr"] is None or -1e-12 <= row["grr"] <= min(1, row["nrr"]) + 1e-12
    shorter = Oracle(packed, replace(oracle.options, as_of=histories.AS_OF_BOUNDARY))
    assert len(shorter.cohort_retention()) > len(oracle.cohort_retention())
