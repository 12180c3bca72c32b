"""The materialisation `logistic` against an independent optimum of the same objective."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pytest
import yaml
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from project import ROOT, Warehouse
from scipy.optimize import minimize

PROJECT = {
    "name": "bestand",  # the macros' package: what is tested are the project's own files
    "config-version": 2,
    "profile": "bestand",
    "model-paths": ["models"],
    "macro-paths": [str(ROOT / "macros" / part) for part in ("fitting", "portability")],
    "flags": {"send_anonymous_usage_stats": False},
}
MODEL = "{{ config(materialized='logistic') }}\nselect * from main.input"


@dataclass
class Problem:
    """A regression: observations in rows, features in columns, the intercept first."""

    x: np.ndarray
    y: np.ndarray
    prior: np.ndarray
    precision: np.ndarray

    @property
    def features(self) -> list[str]:
        return ["intercept"] + [f"x{j:03d}" for j in range(1, self.x.shape[1])]

    def log_likelihood(self, weights: np.ndarray) -> float:
        log_odds = self.x @ weights
        return float(self.y @ log_odds - np.logaddexp(0.0, log_odds).sum())

    def optimum(self) -> np.ndarray:
        """The weights at which the likelihood less the pull of the priors is largest."""

        def loss(weights: np.ndarray) -> float:
            return -self.log_likelihood(weights) + 0.5 * float(self.precision @ (weights - self.prior) ** 2)

        def slope(weights: np.ndarray) -> np.ndarray:
            p = 1 / (1 + np.exp(-np.clip(self.x @ weights, -700, 700)))
            return self.x.T @ (p - self.y) + self.precision * (weights - self.prior)

        found = minimize(
            loss,
            self.prior,
            jac=slope,
            hess=self.curvature,
            method="trust-exact",
            options={"gtol": 1e-9, "maxiter": 5000},
        )
        left = slope(found.x)
        assert left @ np.linalg.solve(self.curvature(found.x), left) < 1e-13  # (standard errors away)^2
        return found.x

    def curvature(self, weights: np.ndarray) -> np.ndarray:
        p = 1 / (1 + np.exp(-np.clip(self.x @ weights, -700, 700)))
        return (self.x.T * (p * (1 - p))) @ self.x + np.diag(self.precision)


def problem(
    seed: int, n: int, k: int, *, rate: float = 0.1, strength: float = 0.4, correlation: float = 0.0, sparse: int = 0
) -> Problem:
    """A random regression; the first `sparse` features are flags, the rest share a part of what they say."""
    rng = np.random.default_rng(seed)
    x = np.sqrt(correlation) * rng.normal(size=(n, 1)) + np.sqrt(1 - correlation) * rng.normal(size=(n, k))
    x[:, :sparse] = x[:, :sparse] > 1.5
    x -= x.mean(axis=0) if n else 0
    log_odds = x @ (rng.normal(size=k) * strength) + np.log(rate / (1 - rate))
    y = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(float)
    prior = np.concatenate([[-3.2], np.where(np.arange(k) < sparse, 0.6, 0.0)])
    return Problem(np.hstack([np.ones((n, 1)), x]), y, prior, np.array([0.01] + [1.0] * k))


def problems() -> Iterator[tuple[str, Problem]]:
    yield "plain", problem(1, 800, 5)
    yield "many features", problem(2, 1500, 44, sparse=20)
    yield "one block exactly", problem(4, 300, 7)
    yield "strongly correlated", problem(5, 1000, 12, correlation=0.995)
    yield "rare", problem(6, 3000, 20, rate=0.002, sparse=10)
    yield "no feature but the intercept", problem(7, 200, 0)
    yield "one observation", problem(8, 1, 3)
    nobody = problem(9, 400, 6)
    nobody.y[:] = 0
    yield "nobody churned", nobody
    everybody = problem(10, 400, 6)
    everybody.y[:] = 1
    yield "everybody churned", everybody
    apart = problem(11, 400, 4, strength=3)
    apart.y = (apart.x[:, 1] > 0).astype(float)
    yield "separable", apart
    apart = problem(12, 2000, 3)
    apart.x[:, 1:] *= 50
    apart.y = (apart.x[:, 1] > 10).astype(float)
    apart.precision[1:] = 1e-4
    yield "separable and hardly drawn", apart
    far = problem(13, 500, 5)
    far.prior[1:] = [8, -8, 8, -8, 8]
    yield "priors far off", far
    twice = problem(14, 500, 4)
    twice.x[:, 4] = twice.x[:, 3]
    yield "the same feature twice", twice
    silent = problem(15, 500, 4)
    silent.x[:, 2] = 0
    yield "a feature without a row", silent
    strict = problem(16, 500, 4)
    strict.precision[1:] = [0.01, 1, 100, 1e6]
    yield "as strict as may be", strict


PROBLEMS = dict(problems())
LARGE = problem(3, 600, 99, rate=0.3, strength=0.2)
WITHOUT_ROWS = problem(99, 0, 3, sparse=3)


def write_input(path: Path, given: dict[str, Problem], drop: dict[str, list[str]]) -> None:
    """The long rows of the model; those with x = 0 are left out where another row stands for the observation."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create table input "
            "(fit text, observation text, y integer, feature text, x double, prior double, precision double)"
        )
        for fit, one in given.items():
            names = np.array(one.features)
            connection.execute(
                "insert into input select ?, null, null, unnest(?), null, unnest(?), unnest(?)",
                [fit, one.features, one.prior.tolist(), one.precision.tolist()],
            )
            row, column = np.nonzero(one.x)
            rows = {  # noqa: F841 (read by the statement below)
                "observation": row.astype(str),
                "y": one.y[row].astype(int),
                "feature": names[column],
                "x": one.x[row, column],
            }
            connection.execute("insert into input select ?, observation, y, feature, x, null, null from rows", [fit])
            connection.execute(
                "delete from input where fit = ? and observation is null and list_contains(?, feature)",
                [fit, drop.get(fit, [])],
            )


def fit(work: Path, given: dict[str, Problem], builds: int = 1, drop: dict[str, list[str]] | None = None) -> Warehouse:
    """Builds a model of nothing but the materialisation on these problems; `drop` takes away priors."""
    project = work / "project"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text(yaml.safe_dump(PROJECT), encoding="utf-8")
    (project / "models" / "weights.sql").write_text(MODEL, encoding="utf-8")
    database = work / "logistic.duckdb"
    write_input(database, given, drop or {})
    before = os.environ.get("BESTAND_DATABASE")
    os.environ["BESTAND_DATABASE"] = str(database)
    arguments = [
        "--project-dir",
        str(project),
        "--profiles-dir",
        str(ROOT / "profiles"),
        "--log-path",
        str(work / "logs"),
    ]
    try:
        for _ in range(builds):
            result = dbtRunner().invoke(["--quiet", "run", *arguments])
    finally:
        DuckDBConnectionManager.close_all_connections()
        if before is None:
            os.environ.pop("BESTAND_DATABASE", None)
        else:
            os.environ["BESTAND_DATABASE"] = before
    warehouse = Warehouse(database, project / "target", result)
    assert warehouse.success, warehouse.messages()
    return warehouse


def weights(warehouse: Warehouse, name: str) -> list[dict[str, object]]:
    return warehouse.rows("select * from main.weights where fit = ? order by feature", [name])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """All problems in one build; twice, so that the table of the first is replaced."""
    return fit(tmp_path_factory.mktemp("logistic"), {**PROBLEMS, "without rows": WITHOUT_ROWS}, builds=2)


def assert_optimum(warehouse: Warehouse, name: str, one: Problem) -> None:
    rows = weights(warehouse, name)
    assert [row["feature"] for row in rows] == one.features
    assert {row["status"] for row in rows} == {"converged"}
    assert [row["prior"] for row in rows] == one.prior.tolist()
    optimum = one.optimum()
    assert [row["weight"] for row in rows] == pytest.approx(optimum.tolist(), rel=1e-6, abs=1e-6)
    errors = np.sqrt(np.diag(np.linalg.inv(one.curvature(optimum))))
    assert [row["standard_error"] for row in rows] == pytest.approx(errors.tolist(), rel=1e-6)
    assert rows[0]["log_likelihood"] == pytest.approx(one.log_likelihood(optimum), rel=1e-6, abs=1e-9)
    assert {(row["observations"], row["churned"]) for row in rows} == {(len(one.y), int(one.y.sum()))}


@pytest.mark.parametrize("name", PROBLEMS)
def test_weights_are_the_optimum(fitted: Warehouse, name: str) -> None:
    assert_optimum(fitted, name, PROBLEMS[name])


def test_a_hundred_features(tmp_path: Path) -> None:
    assert_optimum(fit(tmp_path, {"large": LARGE}), "large", LARGE)


def test_a_fit_without_rows_keeps_its_priors(fitted: Warehouse) -> None:
    rows = weights(fitted, "without rows")
    assert [row["weight"] for row in rows] == [-3.2, 0.6, 0.6, 0.6] == [row["prior"] for row in rows]
    assert [row["standard_error"] for row in rows] == pytest.approx([10, 1, 1, 1])
    assert {(row["status"], row["observations"], row["churned"]) for row in rows} == {("priors_only", 0, 0)}
    assert {(row["log_likelihood"], row["iterations"]) for row in rows} == {(None, 0)}


def test_nothing_is_left_behind(fitted: Warehouse) -> None:
    assert [row["table_name"] for row in fitted.rows("select table_name from duckdb_tables() order by all")] == [
        "input",
        "weights",
    ]


def test_no_fit_at_all(tmp_path: Path) -> None:
    assert fit(tmp_path, {}).value("select count(*) from main.weights") == 0


def test_what_has_no_prior_is_no_feature(tmp_path: Path) -> None:
    """Fit b gives the place of each feature of fit a a meaning, and must not be mistaken for it."""
    one, other = problem(20, 300, 10), problem(21, 100, 12)
    without = Problem(one.x[:, :9], one.y, one.prior[:9], one.precision[:9])
    found = fit(tmp_path, {"a": one, "b": other}, drop={"a": one.features[9:]})
    rows = weights(found, "a")
    assert [row["feature"] for row in rows] == without.features
    assert [row["weight"] for row in rows] == pytest.approx(without.optimum().tolist(), rel=1e-6, abs=1e-6)
    assert [row["weight"] for row in weights(found, "b")] == pytest.approx(other.optimum().tolist(), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("step", [1e-3, 1.0, 30.0])
def test_the_optimum_is_one(step: float) -> None:
    """The reference itself: no step away from it gains anything."""
    one = PROBLEMS["strongly correlated"]
    optimum = one.optimum()
    rng = np.random.default_rng(0)

    def objective(at: np.ndarray) -> float:
        return one.log_likelihood(at) - 0.5 * float(one.precision @ (at - one.prior) ** 2)

    for _ in range(20):
        assert objective(optimum + step * rng.normal(size=optimum.size)) < objective(optimum)
