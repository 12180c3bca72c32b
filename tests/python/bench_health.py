"""Builds the two ChurnSim examples and writes how the score does beside scikit-learn into docs/benchmarks.md."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

import numpy as np
from bestand import examples
from bestand.bench.page import write_section
from health_reference import Comparison, compare
from project import build_files

HEADING = "The health score beside scikit-learn"
DATES = {
    "churnsim_crm5": (dt.date(2023, 5, 1), dt.date(2023, 9, 1)),
    "churnsim_socialnet7": (dt.date(2020, 8, 1), dt.date(2020, 11, 1)),
}
PUBLISHED = {
    "churnsim_crm5": "logistic regression AUC .618 [.519, .706], lift 1.95, Brier .0342 (base rate .0339); "
    "gradient boosting AUC .525",
    "churnsim_socialnet7": "logistic regression AUC .723 [.663, .776], lift 4.60, Brier .0156 (base rate .0162); "
    "gradient boosting AUC .717 [.658, .772], lift 4.78, Brier .0155",
}


def measure(name: str, folder: Path) -> Comparison:
    """The example, built as far as the score needs it, beside the references."""
    variables = dict(examples.prepare(name, folder / "files"))
    as_of = variables.pop("as_of_date")
    variables.pop("crm_source")
    files = Path(variables.pop("crm_files"))
    warehouse = build_files(folder, files, as_of, select="+int_health_rankings", **variables)
    if not warehouse.success:
        raise SystemExit(warehouse.messages())
    return compare(warehouse, *DATES[name])


def section(name: str, comparison: Comparison) -> str:
    """What became of one example, as Markdown."""
    first, last = DATES[name]
    lines = [
        f"### {name}, month starts from {first} to {last}",
        "",
        f"{len(comparison.churned):,} observations, {int(comparison.churned.sum())} losses; "
        f"Brier of the base rate {comparison.base_brier():.4f}.",
        "",
        "| | AUC | Brier | lift at 10 % | AUC of the score above it (95 % over accounts) |",
        "|---|---|---|---|---|",
    ]
    for model in ("score", "logistic regression", "gradient boosting"):
        above = (
            ""
            if model == "score"
            else "{:+.3f} to {:+.3f}".format(*np.quantile(comparison.behind(model), [0.025, 0.975]))
        )
        lines.append(
            f"| {model} | {comparison.auc(model):.3f} | {comparison.brier(model):.4f} | "
            f"{comparison.lift(model):.2f} | {above} |"
        )
    return "\n".join([*lines, "", f"Reference, with features of its own: {PUBLISHED[name]}."])


def main() -> None:
    with tempfile.TemporaryDirectory() as work:
        sections = [section(name, measure(name, Path(work) / name)) for name in DATES]
    introduction = (
        "Written by `make bench-health`. Walk-forward: each date is scored with weights that learned only from labels "
        "which were over by then. scikit-learn learns from the same rows and features as the fit in use on the date, "
        "in standard deviations, unknown as usual (`LogisticRegression()`, `GradientBoostingClassifier()`). Intervals: "
        "400 draws of accounts with replacement."
    )
    write_section(HEADING, "\n\n".join([introduction, *sections]))
    print("\n\n".join(sections))


if __name__ == "__main__":
    main()
