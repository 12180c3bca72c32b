"""The mutation check: python tests/mutation/run.py [--model X] [--count 14 | --all] [--seed 1] [--histories 150]

Makes small mistakes in the compiled SQL of the movement, cohort, churn, renewal and purchase models, one at a time, and
counts how many some test notices. Writes the survivors; ends with 1 where the score is below --aim.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from killers import Laboratory, Verdict
from mutants import Mutant, sample
from worlds import WORLDS, build, fixture, unit_test_files

MODELS = [
    "int_subscription_versions",
    "int_paid_versions",
    "int_account_spells",
    "int_periods",
    "int_fx_rates",
    "int_account_first_rates",
    "int_subscription_states",
    "int_account_states",
    "int_account_line_changes",
    "int_account_presence",
    "int_account_segments",
    "int_account_periods",
    "int_cohort_members",
    "int_cohort_activity",
    "int_account_weeks",
    "int_account_churns",
    "int_renewals",
    "int_orders",
    "int_customer_purchases",
    "int_purchase_intervals",
    "account_months",
    "mrr_movements",
    "mrr_monthly",
    "churn_by_segment",
    "churn_reasons",
    "renewals",
    "renewals_monthly",
    "cohort_retention",
    "survival_curve",
    "repeat_purchases",
]
EQUIVALENT = Path(__file__).with_name("equivalent.toml")


@dataclass(frozen=True)
class Equivalent:
    """Mutants no input of the contract can tell from the original, and why. Every pattern must match the whole text."""

    reason: str
    model: str
    operator: str
    cte: str = ".*"
    before: str = ".*"
    after: str = ".*"
    occurrence: int | None = None

    def is_it(self, mutant: Mutant) -> bool:
        if self.occurrence not in (None, mutant.occurrence):
            return False
        names = ("model", "operator", "cte", "before", "after")
        return all(re.fullmatch(getattr(self, name), getattr(mutant, name), re.DOTALL) for name in names)


def equivalents() -> list[Equivalent]:
    found = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))
    return [Equivalent(**entry) for entry in found.get("equivalent", [])]


@dataclass
class Report:
    """All verdicts of a run."""

    verdicts: list[tuple[Verdict, str]]  # and the world the mutant was found in
    known: list[Equivalent]

    def equivalent(self, mutant: Mutant) -> Equivalent | None:
        return next((entry for entry in self.known if entry.is_it(mutant)), None)

    @property
    def killed(self) -> list[Verdict]:
        return [verdict for verdict, _ in self.verdicts if verdict.killer is not None]

    @property
    def survivors(self) -> list[tuple[Verdict, str]]:
        return [
            (verdict, world)
            for verdict, world in self.verdicts
            if verdict.killer is None and self.equivalent(verdict.mutant) is None
        ]

    @property
    def equivalent_count(self) -> int:
        return len(self.verdicts) - len(self.killed) - len(self.survivors)

    @property
    def score(self) -> float:
        counted = len(self.verdicts) - self.equivalent_count
        return len(self.killed) / counted if counted else 1.0

    def text(self) -> str:
        lines = []
        for verdict, world in self.survivors:
            what = f"changes {', '.join(verdict.changed)}" if verdict.changed else "changes nothing on the fixture"
            lines.append(f"SURVIVES {verdict.mutant.identity} ({world}; {what})\n    {verdict.mutant}")
        for verdict in self.killed:
            if self.equivalent(verdict.mutant) is not None:
                lines.append(f"LISTED AS EQUIVALENT BUT KILLED: {verdict.mutant.identity} {verdict.mutant}")
        by_model: dict[str, Counter[str]] = {}
        for verdict, _ in self.verdicts:
            counts = by_model.setdefault(verdict.mutant.model, Counter())
            is_equivalent = verdict.killer is None and self.equivalent(verdict.mutant) is not None
            counts["made"] += 1
            counts["killed"] += verdict.killer is not None
            counts["equivalent"] += is_equivalent
        lines.append(f"{'model':28} {'made':>5} {'killed':>7} {'equivalent':>11} {'survive':>8}")
        for model, counts in by_model.items():
            left = counts["made"] - counts["killed"] - counts["equivalent"]
            lines.append(f"{model:28} {counts['made']:5} {counts['killed']:7} {counts['equivalent']:11} {left:8}")
        killers = Counter(verdict.killer for verdict in self.killed)
        lines.append("first killer: " + ", ".join(f"{killer} {count}" for killer, count in killers.most_common()))
        operators = Counter(verdict.mutant.operator for verdict, _ in self.verdicts)
        killed_by_operator = Counter(verdict.mutant.operator for verdict in self.killed)
        shares = [f"{name} {killed_by_operator[name]}/{n}" for name, n in operators.most_common()]
        lines.append("killed of made: " + ", ".join(shares))
        lines.append(
            f"mutants {len(self.verdicts)}, equivalent {self.equivalent_count}, killed {len(self.killed)}, "
            f"survive {len(self.survivors)}, score {self.score:.1%}"
        )
        return "\n".join(lines)


def check(models: list[str], count: int | None, seed: int, history_count: int, work: Path, verbose: bool) -> Report:
    """Makes and tries the mutants of these models in every world that can tell them apart."""
    packed = fixture(history_count)
    worlds = list(WORLDS.values())
    verdicts: list[tuple[Verdict, str]] = []
    # mutants that nothing has noticed so far, with all mutants of the tree they were found in and the world it is from
    open_mutants: list[tuple[Verdict, list[Mutant], str]] = []
    keys: dict[str, set[tuple[str, str, str]]] = {}
    for world in worlds:
        started = time.monotonic()
        built = build(world, work / world.name.replace(" ", "_"), packed)
        laboratory = Laboratory(built, unit_test_files(world, built))
        is_first = world is worlds[0]
        fresh: list[Mutant] = []
        for model in models if is_first else [model for model in world.variants_of if model in models]:
            found = laboratory.mutants(model)
            known = keys.setdefault(model, set())
            new = [m for m in found if _named(m, world.as_of.isoformat()) not in known]
            known.update(_named(m, world.as_of.isoformat()) for m in found)
            fresh += new if count is None else sample(new, count, seed)
        laboratory.control(sorted({m.model for m in fresh} | {v.mutant.model for v, _, _ in open_mutants}))
        print(f"{world.name}: built, {len(open_mutants)} open, {len(fresh)} new", flush=True)
        still_open: list[tuple[Verdict, list[Mutant], str]] = []
        candidates = [(Verdict(m, None), laboratory.mutants(m.model), world.name) for m in fresh]
        for earlier, own, origin in [*open_mutants, *candidates]:
            verdict = laboratory.try_mutant(earlier.mutant, None if origin == world.name else own)
            if verdict.killer is None:
                changed = tuple(dict.fromkeys([*earlier.changed, *verdict.changed]))
                still_open.append((Verdict(verdict.mutant, None, "", changed), own, origin))
            else:
                verdicts.append((verdict, world.name))
            if verbose:
                print(f"  {verdict.killer or 'nothing':16} {verdict.mutant}   {verdict.detail}", flush=True)
        open_mutants = still_open
        laboratory.close()
        print(f"{world.name}: {len(open_mutants)} left, {time.monotonic() - started:.0f} s", flush=True)
    verdicts += [(verdict, origin) for verdict, _, origin in open_mutants]
    order = {model: number for number, model in enumerate(MODELS)}
    verdicts.sort(key=lambda entry: (order[entry[0].mutant.model], entry[0].mutant.position))
    return Report(verdicts, equivalents())


def _named(mutant: Mutant, as_of: str) -> tuple[str, str, str]:
    return (mutant.operator, mutant.before.replace(as_of, "D"), mutant.after.replace(as_of, "D"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", action="append", choices=MODELS, help="only this model (may be repeated)")
    parser.add_argument("--count", type=int, default=14, help="mutants per model")
    parser.add_argument("--all", action="store_true", help="every mutant")
    parser.add_argument("--seed", type=int, default=1, help="which mutants")
    parser.add_argument("--histories", type=int, default=150, help="random histories in the fixture")
    parser.add_argument("--aim", type=float, default=0.95, help="lowest score that is good enough")
    parser.add_argument("--work", type=Path, help="folder for the builds; kept")
    parser.add_argument("--json", type=Path, help="file for every verdict")
    parser.add_argument("--verbose", action="store_true", help="say what became of each mutant")
    chosen = parser.parse_args()
    work = chosen.work or Path(tempfile.mkdtemp(prefix="bestand_mutation_"))
    try:
        count = None if chosen.all else chosen.count
        report = check(chosen.model or MODELS, count, chosen.seed, chosen.histories, work, chosen.verbose)
    finally:
        if chosen.work is None:
            shutil.rmtree(work, ignore_errors=True)
    print(report.text())
    if chosen.json:
        rows = [
            {
                "id": verdict.mutant.identity,
                **verdict.mutant.__dict__,
                "killer": verdict.killer,
                "detail": verdict.detail,
                "changed": verdict.changed,
            }
            for verdict, _ in report.verdicts
        ]
        chosen.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0 if report.score >= chosen.aim else 1


if __name__ == "__main__":
    sys.exit(main())
