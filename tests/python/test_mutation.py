"""The mutation check itself: it makes what it says, a known mistake is noticed, and the project as it is passes.

The whole check (python tests/mutation/run.py) takes minutes; here a few fixed mutants of the worked examples are tried.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from project import ROOT

sys.path.insert(0, str(ROOT / "tests" / "mutation"))

import worked_examples
from killers import ControlError, Laboratory
from mutants import Mutant, counterpart, mutants, mutated, parsed, sample, text_of
from worlds import World, build, fixture

SELECTED = "+account_months +mrr_movements +cohort_retention +churn_by_segment"
STATEMENT = """
with numbers as (select 1 as i), paid as (
    select account_id, max(coalesce(amount, 0)) as amount from invoices
    where due_on < cast('2025-07-01' as date) and is_open
    group by account_id
)
select case when amount > 10 then 'large' when amount > 0 then 'small' end as size from paid
inner join accounts on paid.account_id = accounts.account_id
"""

DUE = "due_on < CAST('{}' AS DATE)"
STATES = "boundaries.state_on < versions.valid_to"
# model, operator, the text before and after
FIXED = [
    ("int_account_presence", "comparison", "spells.spell_start <= periods.period_start", None),
    ("int_account_spells", "comparison", "valid_from > covered_to", "valid_from >= covered_to"),
    ("int_account_line_changes", "join", "INNER JOIN states ON periods.period_start = states.state_on", None),
    ("int_subscription_states", "comparison", STATES, STATES.replace("<", "<=")),
    ("int_account_periods", "arithmetic", "mrr_start - mrr_end_at_start_rate", "(mrr_start + mrr_end_at_start_rate)"),
    ("account_months", "comparison", "period_grain = 'month'", "period_grain <> 'month'"),
    ("mrr_movements", "comparison", "by_currency.mrr_fx_change <> 0", "by_currency.mrr_fx_change = 0"),
    ("int_cohort_activity", "dropped condition", "is_active_end AND is_complete", "(is_complete)"),
]
# No input tells these apart: the sides of the unions differ in a column, and every group has a sum.
HARMLESS = [
    ("int_account_line_changes", "union", "starts UNION ALL ends"),
    ("int_cohort_activity", "union", "contract_active UNION ALL no_contract_active"),
]


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """The worked examples, built and found right."""
    world = World("examples", worked_examples.AS_OF, has_oracle=False, has_examples=True)
    built = build(world, tmp_path_factory.mktemp("mutation"), fixture(0), SELECTED)
    found = Laboratory(built)
    yield found
    found.close()


def named(found: list[Mutant], operator: str, before: str, after: str | None = None) -> Mutant:
    return next(m for m in found if (m.operator, m.before) == (operator, before) and after in (None, m.after))


def test_every_mutant_is_one_change_and_can_be_run_again_from_its_name() -> None:
    tree = parsed(STATEMENT)
    before = text_of(tree)
    found = mutants("paid", tree)
    texts = [text_of(mutated(tree, mutant)) for mutant in found]
    assert text_of(tree) == before
    assert before not in texts
    assert all(parsed(text) is not None for text in texts)
    assert {
        "comparison", "and/or", "dropped condition", "join", "case", "negation", "literal", "aggregate", "coalesce",
    } == {mutant.operator for mutant in found}  # fmt: skip
    assert not [mutant for mutant in found if mutant.cte == "numbers"]
    days = {mutant.after for mutant in found if mutant.operator == "literal" and "due_on" in mutant.before}
    assert days == {f"due_on < CAST('{day}' AS DATE)" for day in ("2025-07-02", "2025-06-30")}


def test_a_mutant_is_found_again_in_another_compilation() -> None:
    tree = parsed(STATEMENT)
    own = mutants("paid", tree)
    other = mutants("paid", parsed(STATEMENT.replace("2025-07-01", "2025-04-17")))
    longer = mutants("paid", parsed(STATEMENT.replace("and is_open", "and is_open and is_due")))
    mutant = named(own, "comparison", "amount > 10", "amount >= 10")
    day = named(own, "literal", DUE.format("2025-07-01"), DUE.format("2025-07-02"))
    assert counterpart(day, other, own) == named(other, "literal", DUE.format("2025-04-17"), DUE.format("2025-04-18"))
    assert counterpart(mutant, longer, own) == named(longer, "comparison", "amount > 10", "amount >= 10")
    assert counterpart(day, mutants("paid", parsed("select 1 as i")), own) is None


def test_a_sample_is_the_same_every_time_and_has_every_operator() -> None:
    found = mutants("paid", parsed(STATEMENT))
    operators = {mutant.operator for mutant in found}
    chosen = sample(found, len(operators), seed=1)
    assert {mutant.operator for mutant in chosen} == operators
    assert chosen == sample(found, len(operators), seed=1)
    assert sample(found, 1000, seed=1) == sample(found, 1000, seed=2)


def test_the_project_as_it_is_passes_and_its_mutants_do_not(laboratory: Laboratory) -> None:
    laboratory.control(sorted({model for model, *_ in FIXED}))
    for model, operator, before, after in FIXED:
        mutant = named(laboratory.mutants(model), operator, before, after)
        verdict = laboratory.try_mutant(mutant)
        assert verdict.killer is not None, f"nothing notices {mutant}"
    # nothing of a mutant is left behind
    laboratory.control(["account_months"])


def test_what_changes_nothing_is_not_killed(laboratory: Laboratory) -> None:
    for model, operator, before in HARMLESS:
        verdict = laboratory.try_mutant(named(laboratory.mutants(model), operator, before))
        assert verdict.killer is None and not verdict.changed, verdict


@pytest.mark.parametrize("model", ["int_account_first_rates", "int_subscription_states"])
def test_a_model_that_converts_money_stops_without_a_rate(laboratory: Laboratory, model: str) -> None:
    assert laboratory.converts_money(model)
    assert laboratory.stops_without_a_rate(model)
    silent = next(m for m in laboratory.mutants(model) if "ERROR" in m.before and "ERROR" not in m.after)
    assert laboratory.try_mutant(silent).killer == "missing rate"


def test_a_project_that_is_wrong_from_the_start_is_refused(laboratory: Laboratory) -> None:
    relation = laboratory.models["account_months"].relation
    laboratory.connection.execute("begin")
    try:
        laboratory.connection.execute(f"update {relation} set mrr_end = mrr_end + 1")
        with pytest.raises(ControlError):
            laboratory.control([])
    finally:
        laboratory.connection.execute("rollback")
