"""Makes a mutant in a built world and asks what the project's tests ask: does any of them notice?

Every mutant lives in one transaction that is rolled back: the mutated model and what changes downstream of it is
recreated, and its tests are run on it. A step of the build that changes nothing ends there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from mutants import DIALECT, Mutant, counterpart, mutants, mutated, parsed
from sqlglot import exp
from worlds import Built, View

SECONDS = 30  # a mutant that takes longer has been killed: its build would not end
RATES = "model.bestand.int_fx_rates"


class ControlError(Exception):
    """The project itself, printed by sqlglot without any change, does not give what it gave."""


@dataclass(frozen=True)
class Verdict:
    """What became of one mutant. `killer` is None where nothing noticed it; `changed` names what it changed then."""

    mutant: Mutant
    killer: str | None
    detail: str = ""
    changed: tuple[str, ...] = ()


@dataclass
class UnitTest:
    """One dbt unit test: the statement dbt runs, in which the model stands as a subquery."""

    name: str
    statement: exp.Expression
    model: exp.Expression = field(init=False)

    def __post_init__(self) -> None:
        self.model = self._subquery(self.statement).this

    @staticmethod
    def _subquery(statement: exp.Expression) -> exp.Subquery:
        return next(
            found for found in statement.find_all(exp.Subquery) if found.alias == "_dbt_internal_unit_test_actual"
        )

    def with_model(self, model: exp.Expression) -> str:
        statement = self.statement.copy()
        self._subquery(statement).set("this", model)
        return statement.sql(dialect=DIALECT)


@dataclass
class Node:
    """A model or data test of the project as dbt has compiled it."""

    unique_id: str
    name: str
    relation: str
    sql: str
    parents: set[str]
    materialized: str
    has_contract: bool


class Laboratory:
    """One world in which mutants are made."""

    def __init__(self, built: Built, unit_tests: dict[str, list[Path]] | None = None) -> None:
        self.built = built
        self.connection = duckdb.connect(str(built.warehouse.database))
        for setting in ("threads = 1", "TimeZone = 'UTC'", "memory_limit = '3GB'", "preserve_insertion_order = false"):
            self.connection.execute(f"set {setting}")
        nodes = [_node(raw) for raw in built.manifest["nodes"].values() if raw.get("compiled_code")]
        by_id = {node.unique_id: node for node in nodes if node.unique_id.startswith("model.")}
        self.models = {node.name: node for node in _ordered(by_id)}
        self.tests = [node for node in nodes if node.unique_id in built.passed]
        self.unit_tests = {
            model: [UnitTest(path.stem, parsed(path.read_text(encoding="utf-8"))) for path in paths]
            for model, paths in (unit_tests or {}).items()
        }
        self._unit_mutants = {
            test.name: mutants(model, test.model) for model, tests in self.unit_tests.items() for test in tests
        }
        self._trees: dict[str, exp.Expression] = {}
        self._mutants: dict[str, list[Mutant]] = {}
        self._snapshots = self._snapshot()

    def close(self) -> None:
        self.connection.close()

    def tree(self, model: str) -> exp.Expression:
        if model not in self._trees:
            self._trees[model] = parsed(self.models[model].sql)
        return self._trees[model]

    def mutants(self, model: str) -> list[Mutant]:
        """Every mutant of a model as this world compiles it."""
        if model not in self._mutants:
            self._mutants[model] = mutants(model, self.tree(model))
        return self._mutants[model]

    def control(self, models: list[str]) -> None:
        """The models printed by sqlglot as they are change nothing and their tests pass; else nothing is proven."""
        for model in models:
            with self._transaction():
                verdict = self._build(model, self.tree(model).sql(dialect=DIALECT))
            if verdict[0] is not None or verdict[2]:
                raise ControlError(f"{model} as it is: {verdict}")
            for test in self.unit_tests.get(model, []):
                problem = self._unit_problem(test.with_model(test.model.copy()))
                if problem is not None:
                    raise ControlError(f"unit test {test.name} of {model} as it is: {problem}")
        for test in self.tests:
            if self._fails(test):
                raise ControlError(f"data test {test.name} as it is")

    def try_mutant(self, mutant: Mutant, own: list[Mutant] | None = None) -> Verdict:
        """The verdict on a mutant. `own`: all mutants of the tree it was found in, where that is another world's."""
        here = mutant if own is None else counterpart(mutant, self.mutants(mutant.model), own)
        if here is None:
            return Verdict(mutant, None)
        own_here = self.mutants(mutant.model)
        for test in self.unit_tests.get(mutant.model, []):
            twin = counterpart(here, self._unit_mutants[test.name], own_here)
            if twin is not None:
                problem = self._unit_problem(test.with_model(mutated(test.model, twin)))
                if problem is not None:
                    return Verdict(mutant, "unit test", f"{test.name}: {problem}")
        sql = mutated(self.tree(mutant.model), here).sql(dialect=DIALECT)
        with self._transaction():
            killer, detail, changed = self._build(mutant.model, sql)
        if killer is None and self.converts_money(mutant.model) and not self.stops_without_a_rate(mutant.model, sql):
            killer, detail = "missing rate", "does not stop"
        return Verdict(mutant, killer, detail, tuple(changed))

    def converts_money(self, model: str) -> bool:
        """Whether the model needs exchange rates."""
        return RATES in self.models[model].parents

    def stops_without_a_rate(self, model: str, sql: str | None = None) -> bool:
        """Whether the model, or this SQL in its place, ends with the message about the rate where there is none."""
        with self._transaction():
            self.connection.execute(f"delete from {self.models[RATES.rsplit('.')[-1]].relation}")
            try:
                with self._limited():
                    self.connection.execute(f"create temp table stopped as {sql or self.models[model].sql}")
            except duckdb.Error as error:
                return "No exchange rate from " in str(error)
        return False

    # --- one mutant ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.connection.execute("begin")
        try:
            yield
        finally:
            self.connection.execute("rollback")

    @contextmanager
    def _limited(self) -> Iterator[None]:
        timer = threading.Timer(SECONDS, self.connection.interrupt)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _unit_problem(self, sql: str) -> str | None:
        try:
            with self._limited():
                cursor = self.connection.execute(sql)
            rows = cursor.fetchall()
        except duckdb.Error as error:
            return f"error: {str(error).splitlines()[0][:120]}"
        sides: dict[str, list[str]] = {"actual": [], "expected": []}
        for row in rows:
            sides[row[-1]].append(repr(row[:-1]))
        if sorted(sides["actual"]) != sorted(sides["expected"]):
            return "rows differ"
        return None

    def _build(self, model: str, sql: str) -> tuple[str | None, str, list[str]]:
        """Killer, detail and the relations that changed, of a build with this SQL in the place of the model's."""
        changed: list[str] = []
        changed_ids: set[str] = set()
        try:
            with self._limited():
                for node in self.models.values():
                    if node.name != model and not node.parents & changed_ids:
                        continue
                    outcome = self._rebuild(node, sql if node.name == model else node.sql)
                    if outcome == "contract":
                        return "contract", node.name, changed
                    if outcome == "changed":
                        changed.append(node.name)
                        changed_ids.add(node.unique_id)
                    elif node.name == model:
                        return None, "", []
        except duckdb.InterruptException:
            return "time", f"more than {SECONDS} s", changed
        except duckdb.Error as error:
            return "error", str(error).splitlines()[0][:160], changed
        try:
            with self._limited():
                for test in self.tests:
                    if test.parents & changed_ids and self._fails(test):
                        return "data test", test.name, changed
                for killer in ("worked examples", "oracle"):
                    for view in self.built.views:
                        if view.killer == killer and view.mart in changed and self._differs(view):
                            return killer, view.mart, changed
        except duckdb.InterruptException:
            return "time", f"more than {SECONDS} s", changed
        except duckdb.Error as error:
            return "data test", f"error: {str(error).splitlines()[0][:120]}", changed
        return None, "", changed

    def _rebuild(self, node: Node, sql: str) -> str:
        """Makes the relation of a node anew: 'same', 'changed', or 'contract' where its columns break it."""
        execute = self.connection.execute
        if node.materialized == "view":
            execute(f"create or replace view {node.relation} as {sql}")
            return "changed"
        execute(f"create or replace temp table mutated as {sql}")
        before = [column[:2] for column in execute(f"select * from {node.relation} limit 0").description]
        after = [column[:2] for column in execute("select * from temp.mutated limit 0").description]
        columns = ", ".join(f'"{name}"' for name, _ in before)
        # dbt puts the columns of a contract into the contract's order
        if sorted(before, key=str) != sorted(after, key=str):
            if node.has_contract:
                return "contract"
            columns = "*"
        elif not self._any_difference("temp.mutated", node.relation, columns):
            return "same"
        execute(f"create or replace table {node.relation} as select {columns} from temp.mutated")
        return "changed"

    def _any_difference(self, one: str, other: str, columns: str) -> bool:
        sql = (
            f"(select {columns} from {one} except all select {columns} from {other}) union all "
            f"(select {columns} from {other} except all select {columns} from {one}) limit 1"
        )
        return bool(self.connection.execute(sql).fetchall())

    def _fails(self, test: Node) -> bool:
        return bool(self.connection.execute(f"select 1 from ({test.sql}\n) as failures limit 1").fetchall())

    def _snapshot(self) -> dict[View, str]:
        """What the views of the unmutated world show, kept as tables: its marts have been found right."""
        found = {}
        for number, view in enumerate(self.built.views):
            found[view] = f"temp.known_{number}"
            self.connection.execute(f"create temp table known_{number} as {self._seen(view)}")
        return found

    def _seen(self, view: View) -> str:
        relation = self.models[view.mart].relation
        types = {name: str(kind) for name, kind, *_ in self.connection.execute(f"describe {relation}").fetchall()}
        columns = [f"round({name}, 10) as {name}" if types[name] == "DOUBLE" else name for name in view.columns]
        return f"select {', '.join(columns)} from {relation} where {view.condition}"

    def _differs(self, view: View) -> bool:
        return self._any_difference(f"({self._seen(view)}) as seen", self._snapshots[view], "*")


def _node(raw: dict[str, Any]) -> Node:
    return Node(
        unique_id=raw["unique_id"],
        name=raw["name"],
        relation=raw.get("relation_name") or "",
        sql=raw["compiled_code"],
        parents=set(raw["depends_on"]["nodes"]),
        materialized=raw["config"]["materialized"],
        has_contract=bool((raw["config"].get("contract") or {}).get("enforced")),
    )


def _ordered(nodes: dict[str, Node]) -> list[Node]:
    """Parents before children."""
    done: dict[str, Node] = {}

    def visit(node: Node) -> None:
        for parent in sorted(node.parents):
            if parent in nodes and parent not in done:
                visit(nodes[parent])
        done.setdefault(node.unique_id, node)

    for unique_id in sorted(nodes):
        visit(nodes[unique_id])
    return list(done.values())
