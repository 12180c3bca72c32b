"""The walk-forward score beside scikit-learn's logistic regression and gradient boosting, on the same rows."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from project import Warehouse
from scipy.stats import rankdata
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

Key = tuple[dt.date, str]
Vector = NDArray[np.float64]


@dataclass
class Comparison:
    """Who was judged, what became of him, and what each model had said."""

    accounts: NDArray[np.str_]
    churned: Vector
    said: dict[str, Vector]

    def auc(self, model: str, rows: NDArray[np.int64] | None = None) -> float:
        """The probability that a customer who was lost stands above one who stayed."""
        rows = np.arange(len(self.churned)) if rows is None else rows
        churned, ranks = self.churned[rows], rankdata(self.said[model][rows])
        lost = churned.sum()
        return float((ranks[churned == 1].sum() - lost * (lost + 1) / 2) / (lost * (len(churned) - lost)))

    def brier(self, model: str) -> float:
        return float(np.mean((self.said[model] - self.churned) ** 2))

    def base_brier(self) -> float:
        """What the base rate alone would have scored."""
        return float(self.churned.mean() * (1 - self.churned.mean()))

    def lift(self, model: str) -> float:
        """Losses among the tenth ranked highest, over the losses of all."""
        highest = np.argsort(-self.said[model], kind="stable")[: int(np.ceil(len(self.churned) / 10))]
        return float(self.churned[highest].mean() / self.churned.mean())

    def better_reference(self) -> str:
        return max(("logistic regression", "gradient boosting"), key=self.auc)

    def behind(self, reference: str, draws: int = 400) -> Vector:
        """By how much the score's AUC is above a reference's, over draws of whole accounts with replacement."""
        dice = np.random.default_rng(7)
        rows_of = defaultdict(list)
        for row, account in enumerate(self.accounts):
            rows_of[account].append(row)
        groups = [np.array(rows) for rows in rows_of.values()]
        differences = []
        for _ in range(draws):
            rows = np.concatenate([groups[i] for i in dice.integers(0, len(groups), len(groups))])
            differences.append(self.auc("score", rows) - self.auc(reference, rows))
        return np.array(differences)


def compare(warehouse: Warehouse, first: dt.date, last: dt.date) -> Comparison:
    """Every judged customer of the dates from first to last, each date with the fit that its own score was made by."""
    features: dict[Key, dict[str, float]] = defaultdict(dict)
    for row in warehouse.rows("select grid_date, account_id, feature, x from intermediate.int_health_features"):
        features[row["grid_date"], row["account_id"]][row["feature"]] = row["x"]
    judged = warehouse.rows(
        "select labels.grid_date, labels.account_id, labels.state = 'churned' as churned, scores.churn_probability, "
        "date_fits.fit from intermediate.int_churn_labels as labels "
        "inner join intermediate.int_health_scores as scores using (grid_date, account_id) "
        "inner join intermediate.int_health_date_fits as date_fits using (grid_date) "
        "where labels.state in ('churned', 'stayed') and labels.grid_date between ? and ? "
        "order by labels.grid_date, labels.account_id",
        [first, last],
    )
    said: dict[str, list[Vector]] = defaultdict(list)
    order: list[dict[str, Any]] = []
    for fit in sorted({row["fit"] for row in judged}):
        scales = warehouse.rows(
            "select feature, centre, scale from intermediate.int_health_scales "
            "where fit = ? and scale > 0 order by feature",
            [fit],
        )
        learned = warehouse.rows(
            "select grid_date, account_id, y from intermediate.int_health_training where fit = ? order by 1, 2", [fit]
        )
        of_fit = [row for row in judged if row["fit"] == fit]
        known = _matrix(features, scales, learned)
        asked = _matrix(features, scales, of_fit)
        y = np.array([row["y"] for row in learned])
        models = {
            "logistic regression": LogisticRegression(max_iter=5000),
            "gradient boosting": GradientBoostingClassifier(random_state=0),
        }
        for name, model in models.items():
            said[name].append(model.fit(known, y).predict_proba(asked)[:, 1])
        said["score"].append(np.array([row["churn_probability"] for row in of_fit]))
        order += of_fit
    return Comparison(
        accounts=np.array([row["account_id"] for row in order]),
        churned=np.array([float(row["churned"]) for row in order]),
        said={name: np.concatenate(parts) for name, parts in said.items()},
    )


def _matrix(
    features: dict[Key, dict[str, float]], scales: list[dict[str, Any]], rows: list[dict[str, Any]]
) -> NDArray[np.float64]:
    """Features side by side in standard deviations; what is not known counts as usual."""
    place = {scale["feature"]: (column, scale["centre"], scale["scale"]) for column, scale in enumerate(scales)}
    matrix = np.zeros((len(rows), len(scales)))
    for line, row in enumerate(rows):
        for feature, x in features[row["grid_date"], row["account_id"]].items():
            if feature in place:
                column, centre, scale = place[feature]
                matrix[line, column] = (x - centre) / scale
    return matrix
