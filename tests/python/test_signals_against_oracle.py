"""Early warning against the independent oracle: random accounts in one build per variant, every state, episode,
customer date, label and window compared; and the past of such a build against the past seen from earlier, and against
the past before another future."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
import signal_histories as histories
from oracle import FAR
from project import Warehouse, build_files
from signal_oracle import UNSTATED, SignalOptions, SignalOracle

pytestmark = pytest.mark.slow

MODELS = ["int_customer_dates", "int_churn_labels", "int_usage_windows", "int_service_windows"]
MODELS += ["int_signal_episodes", "int_signal_states"]
SELECTED = " ".join(f"+{model}" for model in [*MODELS, "input_accounting", "mrr_monthly"])
# An earlier day for the past that no later row may change: in the middle of it all, and the start of a month.
EARLIER = dt.date(2025, 2, 1)

CASES = {
    "plain": SignalOptions(histories.AS_OF),
    "zone": SignalOptions(
        histories.AS_OF, reporting_time_zone=histories.ZONES[1], churn_lead_days=14, churn_horizon_days=60
    ),
}


def build(work: Path, rows: histories.Rows, options: SignalOptions, *, is_tested: bool = False) -> Warehouse:
    """Builds what is compared; with the project's own data tests where asked for."""
    warehouse = build_files(
        work,
        histories.write(work / "files", rows),
        options.as_of.isoformat(),
        select=SELECTED,
        exclude=None if is_tested else "resource_type:test",
        reporting_time_zone=options.reporting_time_zone,
        churn_lead_days=options.churn_lead_days,
        churn_horizon_days=options.churn_horizon_days,
    )
    assert warehouse.success, warehouse.messages()
    return warehouse


@dataclass
class Case:
    """One build and the oracle of the same input."""

    rows: histories.Rows
    options: SignalOptions
    warehouse: Warehouse

    @cached_property
    def oracle(self) -> SignalOracle:
        return SignalOracle(self.rows, self.options)

    @cached_property
    def _differences(self) -> dict[str, list[str]]:
        return {}

    def differences(self, model: str) -> list[str]:
        if model not in self._differences:
            key, expected = EXPECTED[model]
            where = "feature = 'all'" if model == "int_usage_windows" else "true"
            got = self.warehouse.rows(f"select * from intermediate.{model} where {where}")
            self._differences[model] = differences(key, expected(self.oracle), got)
        return self._differences[model]


@pytest.fixture(scope="session")
def rows() -> histories.Rows:
    return histories.generate()


Builds = Callable[[str], Warehouse]


@pytest.fixture(scope="session")
def builds(rows: histories.Rows, tmp_path_factory: pytest.TempPathFactory) -> Builds:
    """Each variant, built when it is first asked for."""

    @cache
    def built(name: str) -> Warehouse:
        work = tmp_path_factory.mktemp(f"signals_{name.replace(' ', '_')}")
        if name in CASES:
            return build(work, rows, CASES[name], is_tested=name == "plain")
        then = replace(CASES["zone"], as_of=EARLIER)
        if name == "seen earlier":
            return build(work, histories.cut(rows, then), then)
        return build(work, histories.scrambled(rows, then), CASES["zone"])

    return built


@pytest.fixture(scope="session")
def cases(rows: histories.Rows, builds: Builds) -> Callable[[str], Case]:
    return cache(lambda name: Case(rows, CASES[name], builds(name)))


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest, cases: Callable[[str], Case]) -> Case:
    return cases(request.param)


@pytest.fixture
def plain(cases: Callable[[str], Case]) -> Case:
    return cases("plain")


# --- agreement -------------------------------------------------------------------------------------------------------


def same(expected: Any, got: Any) -> bool:
    """Money, counts, dates and texts exactly, everything else to 1e-9."""
    if expected is UNSTATED:
        return True
    if expected is None or got is None:
        return expected is None and got is None
    if isinstance(expected, Fraction | float):
        return math.isclose(float(expected), float(got), rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(got, float) and isinstance(expected, Decimal):
        return False
    return bool(expected == got)


def differences(
    key: Sequence[str], expected: Sequence[Mapping[str, Any]], got: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Every row that is missing, too many or different in a column of its expected row, by its key."""

    def by_key(found: Sequence[Mapping[str, Any]]) -> dict[tuple[str, ...], Mapping[str, Any]]:
        keyed = {tuple(str(row[column]) for column in key): row for row in found}
        assert len(keyed) == len(found), "more than one row for a key"
        return keyed

    wanted, held = by_key(expected), by_key(got)
    found = []
    for identity in sorted(wanted.keys() | held.keys()):
        name = " ".join(identity)
        if identity not in held:
            found.append(f"{name}: missing, expected {_shown(wanted[identity])}")
        elif identity not in wanted:
            found.append(f"{name}: not expected, got {_shown(held[identity])}")
        else:
            for column, value in wanted[identity].items():
                if not same(value, held[identity][column]):
                    found.append(f"{name}: {column} expected {_told(value)}, got {_told(held[identity][column])}")
    return found


def _told(value: Any) -> str:
    return f"{float(value):.12g}" if isinstance(value, Fraction) else str(value)


def _shown(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{column}={_told(value)}" for column, value in row.items())


def report(found: list[str], shown: int = 60) -> str:
    """How many differences of what kind, and the first of each kind."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for text in found:
        name, _, what = text.partition(": ")
        kinds[f"{name.split()[1] if ' ' in name else name} {what.split()[0]}"].append(text)
    each = max(1, shown // max(1, len(kinds)))
    return "\n".join([f"{len(found)} differences", *(t for texts in kinds.values() for t in texts[:each])])


EXPECTED: dict[str, tuple[list[str], Callable[[SignalOracle], list[dict[str, Any]]]]] = {
    "int_customer_dates": (["account_id", "grid_date"], lambda oracle: oracle.customer_dates),
    "int_churn_labels": (["account_id", "grid_date"], lambda oracle: oracle.churn_labels()),
    "int_usage_windows": (["account_id", "feature", "grid_date"], lambda oracle: oracle.usage_windows),
    "int_service_windows": (["account_id", "grid_date"], lambda oracle: oracle.service_windows),
    "int_signal_states": (["account_id", "signal", "grid_date"], lambda oracle: oracle.states),
    "int_signal_episodes": (
        ["account_id", "signal", "fired_from"],
        lambda oracle: [{**vars(episode), "episode_id": episode.episode_id} for episode in oracle.episodes],
    ),
}


@pytest.mark.parametrize("model", list(EXPECTED))
def test_model_equals_the_oracle(case: Case, model: str) -> None:
    found = [text for text in case.differences(model) if not text.startswith("N_")]
    assert not found, report(found)


@pytest.mark.parametrize("account", histories.MET_BEFORE)
def test_account_of_one_thing(builds: Builds, plain: Case, account: str) -> None:
    """What accounts made by hand must show, now and as seen from earlier; see `histories.Author.met_before`."""
    found = [text for model in EXPECTED for text in plain.differences(model)]
    for model in PAST:
        found += past_differences(model, builds("zone"), builds("seen earlier"))
        found += past_differences(model, builds("another future"), builds("zone"))
    found = [text for text in found if text.startswith(f"{account} ")]
    assert not found, report(found)


def test_every_row_given_was_accepted_or_superseded_or_not_yet_known(case: Case) -> None:
    """Else the oracle would compare what the build has never seen. What falls with a deleted parent was there once."""
    read = [
        row["entity"] for row in case.warehouse.rows("select entity from marts.input_accounting where rows_read > 0")
    ]
    for entity in read:
        refused = case.warehouse.rows(
            f"select reasons from conformed.validated_{entity} where disposition = 'quarantined'"
        )
        assert {row["reasons"] for row in refused} <= {"parent_deleted"}, entity


def test_the_histories_reach_what_they_are_for(case: Case) -> None:
    """A comparison proves nothing about what its input never does."""
    oracle = case.oracle
    episodes = Counter(episode.signal for episode in oracle.episodes)
    assert {name: episodes[name] for name in oracle.signals if episodes[name] < 3} == {}
    causes = Counter(episode.end_cause for episode in oracle.episodes)
    assert min(causes[cause] for cause in ("cleared", "left", "running")) >= 50
    labels = Counter(row["state"] for row in oracle.churn_labels())
    assert min(labels[state] for state in ("churned", "stayed", "left_in_lead", "known_end", "open")) >= 5
    kinds = Counter((row["signal"], row["has_data"], row["value"] is None) for row in oracle.states)
    always_with_data = {"cancelled_running", "no_activity"}
    for name in oracle.signals.keys() - always_with_data:
        assert kinds[name, False, True] >= 10, name
    for name in ("tickets_stopped", "breadth_shrinks", "contract_ending", "onboarding_incomplete"):
        assert kinds[name, True, True] >= 10, name


# --- the past stays as it was ----------------------------------------------------------------------------------------


PAST = {
    "int_signal_states": (["account_id", "signal", "grid_date"], f"grid_date <= date '{EARLIER}' and {{month}}"),
    "int_customer_dates": (["account_id", "grid_date"], f"grid_date <= date '{EARLIER}' and {{month}}"),
    "int_usage_windows": (["account_id", "feature", "grid_date"], f"grid_date <= date '{EARLIER}' and {{month}}"),
    "int_service_windows": (["account_id", "grid_date"], f"grid_date <= date '{EARLIER}' and {{month}}"),
    "int_signal_episodes": (["account_id", "signal", "fired_from"], f"fired_from <= date '{EARLIER}'"),
}
# What says which day the build is for, not what was seen.
OF_THE_BUILD = {"is_as_of", "is_delta"}


def past(warehouse: Warehouse, model: str) -> list[dict[str, Any]]:
    """The rows of the past; the end of what was still fired then is not known yet."""
    _, where = PAST[model]
    found = warehouse.rows(f"select * from intermediate.{model} where {where.format(month='day(grid_date) = 1')}")
    for row in found:
        for column in OF_THE_BUILD & row.keys():
            del row[column]
        if model == "int_signal_episodes" and row["fired_to"] > EARLIER:
            row |= {"fired_to": FAR, "end_cause": "running"}
    return found


def past_differences(model: str, now: Warehouse, then: Warehouse) -> list[str]:
    rows = past(then, model)
    assert rows
    return differences(PAST[model][0], rows, past(now, model))


@pytest.mark.parametrize("model", list(PAST))
def test_the_past_is_what_was_seen_then(builds: Builds, model: str) -> None:
    found = past_differences(model, builds("zone"), builds("seen earlier"))
    found = [text for text in found if not text.startswith("N_")]
    assert not found, report(found)


def test_restated_months_are_those_that_were_seen_otherwise(builds: Builds) -> None:
    query = "select * exclude (restated_at) from marts.mrr_monthly where is_complete"
    seen, now = ({row["month_start"]: row for row in builds(name).rows(query)} for name in ("seen earlier", "zone"))
    restated = builds("zone").rows("select month_start from marts.mrr_monthly where restated_at > ?", [EARLIER])
    otherwise = {month for month, row in seen.items() if row != now[month]}
    assert otherwise == {row["month_start"] for row in restated} & seen.keys()
    assert 0 < len(otherwise) < len(seen)


@pytest.mark.parametrize("model", list(PAST))
def test_another_future_leaves_the_past_alone(builds: Builds, model: str) -> None:
    found = past_differences(model, builds("another future"), builds("zone"))
    found = [text for text in found if not text.startswith("N_")]
    assert not found, report(found)


def test_the_other_future_is_another_one(builds: Builds) -> None:
    """Else the tests above would compare a build with itself."""
    query = f"""
        select account_id, signal, grid_date, value from intermediate.int_signal_states where grid_date > '{EARLIER}'
    """
    now, then = ({tuple(row.values()) for row in builds(name).rows(query)} for name in ("zone", "another future"))
    assert len(now ^ then) > 1000
