"""The measures of the backtests against plain Python: the SQL as it ran, on random warnings instead of the demo's.

Pairs are counted one by one, and what an account adds to the logarithm of a lift is found by numerical derivative, so
that nothing here repeats the ranks and formulas of macros/early_warning/evaluation.sql.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

LEAD, HORIZON, CAPACITY = 30, 90, 20  # the defaults of dbt_project.yml, with which the demo is built
Z95 = 1.959963984540054
MONTHS = [dt.date(2025, month, 1) for month in range(1, 10)]
NEWEST_FIT = dt.date(2025, 6, 1)
SIGNAL = "random_signal"
RELATIVE = 1e-9


@dataclass(frozen=True)
class Observation:
    """A customer at the start of a month, what was said of him and what became of him."""

    month: dt.date
    account: str
    mrr: int
    tenure: int
    probability: float
    is_learned: bool
    fired: bool
    churned_on: dt.date | None
    features: dict[str, float]

    @property
    def chance(self) -> str:
        return hashlib.md5(f"{self.account}|{self.month}".encode(), usedforsecurity=False).hexdigest()

    @property
    def trained_probability(self) -> float:
        logit = -2.0 + sum(
            WEIGHTS[name][0] * (x - WEIGHTS[name][1]) / WEIGHTS[name][2] for name, x in self.features.items()
        )
        return 1 / (1 + math.exp(-logit))


WEIGHTS = {"usage": (-0.8, 2.0, 1.5), "signal": (0.6, 0.3, 1.0)}  # weight, centre, scale


def simulated(seed: int, accounts: int = 70) -> list[Observation]:
    """Customers until they churn; the risk shows in the (rounded, so often equal) probabilities and in the signal."""
    draw = random.Random(seed)
    found = []
    for number in range(accounts):
        account = f"A{number:03d}"
        risk = draw.random()
        lost_on = MONTHS[0] + dt.timedelta(days=draw.randint(0, 500 if risk < 0.6 else 330))
        for month in MONTHS[draw.randint(0, 3) :]:
            days = (lost_on - month).days
            if days <= LEAD:
                break
            features = {"usage": round(draw.gauss(3 - 3 * risk, 1), 1), "signal": float(draw.random() < risk)}
            if draw.random() < 0.2:
                features.pop("usage")
            found.append(
                Observation(
                    month=month,
                    account=account,
                    mrr=draw.choice([10, 20, 20, 50, 400]),
                    tenure=draw.randint(1, 8) * 30,
                    probability=round(0.05 + 0.5 * risk * draw.random(), 1 + (number % 2)),
                    is_learned=month >= MONTHS[2],
                    fired=draw.random() < 0.1 + 0.6 * risk,
                    churned_on=lost_on if days <= LEAD + HORIZON else None,
                    features=features,
                )
            )
    return found


# --- the SQL as it ran, on these observations ---

INPUTS = {
    "int_churn_labels": "grid_date date, account_id varchar, state varchar, churned_on date",
    "int_customer_dates": (
        "grid_date date, account_id varchar, is_month_start boolean, relationship varchar, mrr decimal(38, 4),"
        " tenure_days integer"
    ),
    "int_health_scores": "grid_date date, account_id varchar, churn_probability double, trained_through date",
    "int_health_weights": (
        "fit varchar, trained_through date, feature varchar, weight double, centre double, scale double"
    ),
    "int_health_training": "fit varchar, grid_date date, account_id varchar",
    "int_health_features": "grid_date date, account_id varchar, feature varchar, x double",
    "int_signal_states": "grid_date date, account_id varchar, signal varchar, has_data boolean, is_fired boolean",
    "int_signal_episodes": "account_id varchar, signal varchar, fired_from date, fired_to date",
    "signals": "signal varchar, requirement varchar, label varchar",
}


def input_rows(observations: list[Observation]) -> dict[str, list[tuple[Any, ...]]]:
    """The observations as the rows of the models the backtests read."""
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in INPUTS}
    rows["signals"].append((SIGNAL, "D1", "Random"))
    rows["int_health_weights"].append(("new", NEWEST_FIT, "intercept", -2.0, 0.0, 1.0))
    for feature, (weight, centre, scale) in WEIGHTS.items():
        rows["int_health_weights"].append(("new", NEWEST_FIT, feature, weight, centre, scale))
    for one in observations:
        key = (one.month, one.account)
        rows["int_churn_labels"].append((*key, "churned" if one.churned_on else "stayed", one.churned_on))
        rows["int_customer_dates"].append((*key, True, "contract", one.mrr, one.tenure))
        learned = dt.date(2024, 9, 1) if one.is_learned else None
        rows["int_health_scores"].append((*key, one.probability, learned))
        if one.month <= NEWEST_FIT:
            rows["int_health_training"].append(("new", *key))
        rows["int_signal_states"].append((*key, SIGNAL, True, one.fired))
        rows["int_health_features"] += [(*key, feature, x) for feature, x in one.features.items()]
    return rows


def run(work: Path, manifest: dict[str, Any], observations: list[Observation]) -> duckdb.DuckDBPyConnection:
    """A database with the observations and the backtests built on them."""
    nodes = {node["name"]: node for node in manifest["nodes"].values()}
    rows = input_rows(observations)
    # the SQL names the database of the build it was compiled for
    connection = duckdb.connect(str(work / f"{nodes['health_backtest']['database']}.duckdb"))
    for name, columns in INPUTS.items():
        relation = nodes[name]["relation_name"]
        connection.execute(f"create schema if not exists {nodes[name]['schema']}")
        connection.execute(f"create table {relation} ({columns})")
        if rows[name]:
            connection.executemany(
                f"insert into {relation} values ({', '.join('?' for _ in rows[name][0])})", rows[name]
            )
    for name in ("int_health_rankings", "health_backtest", "signal_backtest"):
        node = nodes[name]
        connection.execute(f"create schema if not exists {node['schema']}")
        connection.execute(f"create table {node['relation_name']} as {node['compiled_code']}")
    return connection


def read(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    cursor = connection.execute(sql)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


# --- the same in plain Python ---


def auc_with_error(scored: list[tuple[Observation, float]]) -> tuple[float, float] | None:
    """AUC by counting pairs, and its standard error from what each account's pairs add."""
    positives = [one for one in scored if one[0].churned_on]
    negatives = [one for one in scored if not one[0].churned_on]
    if not positives or not negatives:
        return None
    wins = {
        (p, n): 1.0 if positives[p][1] > negatives[n][1] else 0.5 if positives[p][1] == negatives[n][1] else 0.0
        for p in range(len(positives))
        for n in range(len(negatives))
    }
    auc = sum(wins.values()) / len(wins)
    added: dict[str, float] = defaultdict(float)
    for p, (one, _) in enumerate(positives):
        added[one.account] += statistics.fmean(wins[p, n] - auc for n in range(len(negatives))) / len(positives)
    for n, (one, _) in enumerate(negatives):
        added[one.account] += statistics.fmean(wins[p, n] - auc for p in range(len(positives))) / len(negatives)
    return auc, clustered_error(added.values())


def clustered_error(added: Iterable[float]) -> float:
    values = list(added)
    return math.sqrt(len(values) / (len(values) - 1) * sum(value**2 for value in values))


def expected_evaluation(
    observations: list[Observation], ranking: str, probability: Callable[[Observation], float]
) -> dict[str, Any]:
    """What health_backtest should say of these observations."""
    by_chance = sorted(observations, key=lambda one: one.chance)
    score: dict[str, Callable[[Observation], float]] = {
        "health": lambda one: round(probability(one), 12),
        "tenure": lambda one: -one.tenure,
        "mrr": lambda one: -one.mrr,
        "random": by_chance.index,
    }
    scored = [(one, score[ranking](one)) for one in observations]
    order = [one for one, _ in sorted(scored, key=lambda pair: (-pair[1], pair[0].chance))]
    churned = [one for one in order if one.churned_on]
    top = order[: math.ceil(len(order) / 10)]
    reached = [one for month in MONTHS for one in [o for o in order if o.month == month][:CAPACITY]]
    caught = [one for one in reached if one.churned_on]
    base = len(churned) / len(order)
    first: dict[tuple[str, dt.date], dt.date] = {}
    for one in caught:
        key = (one.account, one.churned_on or dt.date.max)
        first[key] = min(one.month, first.get(key, one.month))
    leads = [(churned_on - month).days for (_, churned_on), month in first.items()]
    found: dict[str, Any] = {
        "observations": len(order),
        "churned": len(churned),
        "lift_10pct": sum(1 for one in top if one.churned_on) / len(top) / base if churned else None,
        "precision_at_capacity": len(caught) / len(reached),
        "recall_at_capacity": len(caught) / len(churned) if churned else None,
        "revenue_weighted_recall": sum(o.mrr for o in caught) / sum(o.mrr for o in churned) if churned else None,
        "churns_warned": len(first),
        "median_lead_days": statistics.median(leads) if leads else None,
        "brier": statistics.fmean((probability(one) - bool(one.churned_on)) ** 2 for one in order)
        if ranking == "health"
        else None,
        "brier_base_rate": base * (1 - base),
    }
    if (measured := auc_with_error(scored)) is None:
        return found | {"auc": None, "auc_low": None, "auc_high": None}
    auc, error = measured
    return found | {"auc": auc, "auc_low": max(auc - Z95 * error, 0.0), "auc_high": min(auc + Z95 * error, 1.0)}


def log_lift(totals: tuple[float, ...]) -> float:
    both, fired, churned, everyone = totals
    return math.log(both / fired / (churned / everyone))


def counts(observations: Iterable[Observation]) -> tuple[float, ...]:
    ones = list(observations)
    return (
        float(sum(1 for one in ones if one.fired and one.churned_on)),
        float(sum(1 for one in ones if one.fired)),
        float(sum(1 for one in ones if one.churned_on)),
        float(len(ones)),
    )


def log_lift_error(observations: list[Observation]) -> float:
    """Standard error of the logarithm of the lift: each account's counts along the numerical gradient."""
    totals = counts(observations)
    accounts = sorted({one.account for one in observations})
    gradient = []
    for index, total in enumerate(totals):
        step = 1e-5 * total
        up, down = list(totals), list(totals)
        up[index] += step
        down[index] -= step
        gradient.append((log_lift(tuple(up)) - log_lift(tuple(down))) / (2 * step))
    return clustered_error(
        sum(
            slope * count
            for slope, count in zip(gradient, counts(o for o in observations if o.account == account), strict=True)
        )
        for account in accounts
    )


@pytest.fixture(scope="module", params=[1, 2])
def simulation(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, manifest: dict[str, Any]
) -> tuple[list[Observation], duckdb.DuckDBPyConnection]:
    observations = simulated(request.param)
    return observations, run(tmp_path_factory.mktemp("evaluation"), manifest, observations)


def test_health_backtest(simulation: tuple[list[Observation], duckdb.DuckDBPyConnection]) -> None:
    observations, connection = simulation
    learned = [one for one in observations if one.is_learned]
    prior = [one for one in observations if not one.is_learned]
    groups: dict[tuple[str, str], list[Observation]] = {("all", "test"): learned, ("all", "prior"): prior}
    groups["all", "train"] = [one for one in observations if one.month <= NEWEST_FIT]
    for split, ones in (("test", learned), ("prior", prior)):
        for month in sorted({one.month for one in ones}):
            groups[str(month), split] = [one for one in ones if one.month == month]
    assert any(len({one.probability for one in ones}) < len(ones) for ones in groups.values())  # there are ties
    found = {
        (row["as_of_date"], row["split"], row["ranking"]): row
        for row in read(connection, "select * from marts.health_backtest")
    }
    assert len(found) == 4 * len(groups)
    for (as_of_date, split), ones in groups.items():
        probability = (lambda o: o.trained_probability) if split == "train" else (lambda o: o.probability)
        for ranking in ("health", "tenure", "mrr", "random"):
            expected = expected_evaluation(ones, ranking, probability)
            row = found[as_of_date, split, ranking]
            for measure, value in expected.items():
                said = (as_of_date, split, ranking, measure, row[measure], value)
                assert (row[measure] is None) == (value is None), said
                assert value is None or row[measure] == pytest.approx(value, rel=RELATIVE, abs=1e-12), said


def test_signal_backtest(simulation: tuple[list[Observation], duckdb.DuckDBPyConnection]) -> None:
    observations, connection = simulation
    (row,) = read(connection, "select * from marts.signal_backtest")
    lift = math.exp(log_lift(counts(observations)))
    error = log_lift_error(observations)
    assert row["lift"] == pytest.approx(lift, rel=RELATIVE)
    assert row["lift_low"] == pytest.approx(lift * math.exp(-Z95 * error), rel=1e-7)
    assert row["lift_high"] == pytest.approx(lift * math.exp(Z95 * error), rel=1e-7)


def test_the_interval_is_as_wide_as_drawing_accounts_anew_says(
    simulation: tuple[list[Observation], duckdb.DuckDBPyConnection],
) -> None:
    observations, connection = simulation
    (row,) = read(connection, "select * from marts.signal_backtest")
    by_account: dict[str, list[Observation]] = defaultdict(list)
    for one in observations:
        by_account[one.account].append(one)
    of_account = [counts(ones) for ones in by_account.values()]
    draw = random.Random(7)
    logs = []
    for _ in range(1000):
        drawn = draw.choices(of_account, k=len(of_account))
        logs.append(log_lift(tuple(sum(one[index] for one in drawn) for index in range(4))))
    half_width = (math.log(row["lift_high"]) - math.log(row["lift_low"])) / 2
    assert half_width == pytest.approx(Z95 * statistics.stdev(logs), rel=0.15)
