"""Mutants of one SQL statement: every place in its syntax tree where one small, plausible mistake could stand.

A mutant is one change of one node. It is named by operator, CTE and the text before and after, so that the same mistake
can be made again in another compilation of the same model: for another as-of date, under other vars, in a unit test.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

DIALECT = "duckdb"
FIXTURE = "__dbt__cte__"  # what dbt calls the fixtures of a unit test
SKIPPED_CTES = {"numbers"}  # the calendar spine: ten digits in every model that counts

Change = Callable[[exp.Expression], exp.Expression]


@dataclass(frozen=True)
class Mutant:
    """One mistake. `position` and `variant` say where it stands in the tree it was found in."""

    model: str
    operator: str
    cte: str
    before: str
    after: str
    occurrence: int  # among mutants of the same name in the statement
    position: int
    variant: int

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        return (self.operator, self.cte, self.before, self.after, self.occurrence)

    @property
    def identity(self) -> str:
        """A short name for lists; the same as long as the text of the model stays as it is."""
        name = "\n".join([self.model, self.operator, self.cte, self.before, self.after, str(self.occurrence)])
        return hashlib.sha256(name.encode()).hexdigest()[:10]

    def __str__(self) -> str:
        return f"{self.model} [{self.cte}] {self.operator}: {shortened(self.before)}  ->  {shortened(self.after)}"


def shortened(text: str, length: int = 110) -> str:
    return text if len(text) <= length else f"{text[: length - 4]} ..."


def parsed(sql: str) -> exp.Expression:
    tree = sqlglot.parse_one(sql, read=DIALECT)
    assert isinstance(tree, exp.Expression)
    return tree


def text_of(node: exp.Expression) -> str:
    return node.sql(dialect=DIALECT, comments=False)


# --- operators: a node -> the changed nodes that may stand in its place -----------------------------------------------

_COMPARISONS: dict[type[exp.Expression], list[type[exp.Expression]]] = {
    exp.EQ: [exp.NEQ],
    exp.NEQ: [exp.EQ],
    exp.LT: [exp.LTE, exp.GT],
    exp.LTE: [exp.LT, exp.GT],
    exp.GT: [exp.GTE, exp.LT],
    exp.GTE: [exp.GT, exp.LT],
    exp.NullSafeEQ: [exp.EQ, exp.NullSafeNEQ],
    exp.NullSafeNEQ: [exp.NEQ, exp.NullSafeEQ],
}
_AGGREGATES: dict[type[exp.Expression], type[exp.Expression]] = {
    exp.Min: exp.Max,
    exp.Max: exp.Min,
    exp.Sum: exp.Max,
    exp.LogicalOr: exp.LogicalAnd,
    exp.LogicalAnd: exp.LogicalOr,
    exp.Median: exp.Max,
    exp.Lag: exp.Lead,
    exp.Lead: exp.Lag,
}
_ARITHMETIC: dict[type[exp.Expression], type[exp.Expression]] = {
    exp.Add: exp.Sub,
    exp.Sub: exp.Add,
    exp.Mul: exp.Div,
    exp.Div: exp.Mul,
    exp.IntDiv: exp.Mul,
}
_UNITS = {"WEEK": "month", "MONTH": "quarter", "QUARTER": "year", "YEAR": "quarter"}


def _of_type(node: exp.Expression, kind: type[exp.Expression]) -> exp.Expression:
    return kind(this=node.this.copy(), expression=node.expression.copy())


def _comparison(node: exp.Expression) -> Iterator[exp.Expression]:
    for kind in _COMPARISONS.get(type(node), []):
        yield _of_type(node, kind)


def _logic(node: exp.Expression) -> Iterator[exp.Expression]:
    if isinstance(node, exp.And | exp.Or):
        kind = exp.Or if isinstance(node, exp.And) else exp.And
        yield exp.Paren(this=_of_type(node, kind))


def _drop_condition(node: exp.Expression) -> Iterator[exp.Expression]:
    """Each conjunct of a WHERE, ON or WHEN, and each alternative of an OR, left out in turn."""
    if isinstance(node, exp.And | exp.Or) and type(node.parent) is not type(node):
        parts = list(node.flatten())
        for n in range(len(parts)):
            kept = [part.copy() for m, part in enumerate(parts) if m != n]
            yield exp.Paren(this=(exp.and_ if isinstance(node, exp.And) else exp.or_)(*kept, copy=False))
    elif isinstance(node, exp.Where) and not isinstance(node.this, exp.And):
        yield exp.Where(this=exp.true())


def _join(node: exp.Expression) -> Iterator[exp.Expression]:
    if isinstance(node, exp.Join) and node.args.get("on") is not None:
        changed = node.copy()
        is_left = node.side == "LEFT"
        changed.set("side", None if is_left else "LEFT")
        changed.set("kind", "INNER" if is_left else None)
        yield changed


def _case(node: exp.Expression) -> Iterator[exp.Expression]:
    """Adjacent branches swapped, one branch left out, the default left out."""
    if not isinstance(node, exp.Case):
        return
    count = len(node.args["ifs"])
    for n in range(count - 1):
        changed = node.copy()
        branches = changed.args["ifs"]
        changed.set("ifs", [*branches[:n], branches[n + 1], branches[n], *branches[n + 2 :]])
        yield changed
    for n in range(count if count > 1 else 0):
        changed = node.copy()
        branches = changed.args["ifs"]
        changed.set("ifs", [*branches[:n], *branches[n + 1 :]])
        yield changed
    if node.args.get("default") is not None:
        changed = node.copy()
        changed.set("default", None)
        yield changed


def _negation(node: exp.Expression) -> Iterator[exp.Expression]:
    """A condition turned into its opposite, where no comparison says it already."""
    if isinstance(node, exp.Not):
        yield node.this.copy()
        return
    is_bare = isinstance(node, exp.Is) and not isinstance(node.parent, exp.Not)
    if is_bare or (isinstance(node, exp.Column) and _is_condition(node)):
        yield exp.Not(this=node.copy())


def _is_condition(node: exp.Expression) -> bool:
    parent = node.parent
    if isinstance(parent, exp.If):
        return parent.this is node and not (isinstance(parent.parent, exp.Case) and parent.parent.this is not None)
    return isinstance(parent, exp.And | exp.Or | exp.Where)


def _literal(node: exp.Expression) -> Iterator[exp.Expression]:
    """A whole number or a day, one more and one less."""
    if not isinstance(node, exp.Literal) or node.find_ancestor(exp.DataType):
        return
    text = str(node.this)
    if not node.is_string:
        found = re.fullmatch(r"(\d+)([eE]0)?", text)
        if found and not isinstance(node.parent, exp.Tuple):
            number, suffix = int(found[1]), found[2] or ""
            yield exp.Literal.number(f"{number + 1}{suffix}")
            if number:
                yield exp.Literal.number(f"{number - 1}{suffix}")
    elif isinstance(node.parent, exp.Cast) and re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        day = dt.date.fromisoformat(text)
        if day < dt.date.max:
            yield exp.Literal.string((day + dt.timedelta(days=1)).isoformat())
        if day > dt.date.min:
            yield exp.Literal.string((day - dt.timedelta(days=1)).isoformat())


def _boolean(node: exp.Expression) -> Iterator[exp.Expression]:
    if isinstance(node, exp.Boolean):
        yield exp.Boolean(this=not node.this)


def _aggregate(node: exp.Expression) -> Iterator[exp.Expression]:
    kind = _AGGREGATES.get(type(node))
    if kind is not None:
        yield kind(this=node.this.copy())


def _extreme(node: exp.Expression) -> Iterator[exp.Expression]:
    if isinstance(node, exp.Least | exp.Greatest):
        kind = exp.Greatest if isinstance(node, exp.Least) else exp.Least
        changed = node.copy()
        yield kind(**changed.args)
    elif isinstance(node, exp.Floor):
        yield exp.Ceil(this=node.this.copy())


def _distinct(node: exp.Expression) -> Iterator[exp.Expression]:
    if isinstance(node, exp.Select) and node.args.get("distinct") is not None:
        changed = node.copy()
        changed.set("distinct", None)
        yield changed


def _coalesce(node: exp.Expression) -> Iterator[exp.Expression]:
    if isinstance(node, exp.Coalesce):
        yield node.this.copy()


def _set_operation(node: exp.Expression) -> Iterator[exp.Expression]:
    """`union all` for `union` and back. Only the node itself is shown: its sides say nothing."""
    if isinstance(node, exp.Union):
        changed = node.copy()
        changed.set("distinct", not node.args.get("distinct"))
        yield changed


def _arithmetic(node: exp.Expression) -> Iterator[exp.Expression]:
    kind = _ARITHMETIC.get(type(node))
    if kind is not None:
        yield exp.Paren(this=_of_type(node, kind))
    elif isinstance(node, exp.Neg):
        yield node.this.copy()


def _window(node: exp.Expression) -> Iterator[exp.Expression]:
    """One partition column less, the order turned round, the frame one row longer or shorter."""
    if not isinstance(node, exp.Window):
        return
    for n in range(len(node.args.get("partition_by") or [])):
        changed = node.copy()
        changed.set("partition_by", [part for m, part in enumerate(changed.args["partition_by"]) if m != n])
        yield changed
    ordering = node.args.get("order")
    for n in range(len(ordering.expressions) if ordering else 0):
        changed = node.copy()
        ordered = changed.args["order"].expressions[n]
        ordered.set("desc", not ordered.args.get("desc"))
        yield changed
    spec = node.args.get("spec")
    if spec is not None and spec.args.get("end"):
        for end, side in [("CURRENT ROW", None), (exp.Literal.number(1), "PRECEDING"), ("UNBOUNDED", "FOLLOWING")]:
            now = (str(spec.args["end"]).upper(), str(spec.args.get("end_side")).upper())
            if now != (str(end).upper(), str(side).upper()):
                changed = node.copy()
                changed.args["spec"].set("end", end)
                changed.args["spec"].set("end_side", side)
                yield changed


def _unit(node: exp.Expression) -> Iterator[exp.Expression]:
    """The first day of a longer or shorter period."""
    if isinstance(node, exp.DateTrunc | exp.TimestampTrunc):
        unit = _UNITS.get(str(node.args["unit"].this).upper())
        if unit:
            changed = node.copy()
            changed.set("unit", exp.Literal.string(unit))
            yield changed


OPERATORS: dict[str, Callable[[exp.Expression], Iterator[exp.Expression]]] = {
    "comparison": _comparison,
    "and/or": _logic,
    "dropped condition": _drop_condition,
    "join": _join,
    "case": _case,
    "negation": _negation,
    "literal": _literal,
    "boolean": _boolean,
    "aggregate": _aggregate,
    "least/greatest": _extreme,
    "distinct": _distinct,
    "coalesce": _coalesce,
    "union": _set_operation,
    "arithmetic": _arithmetic,
    "window": _window,
    "period": _unit,
}


# --- finding and making -----------------------------------------------------------------------------------------------


def _cte_of(node: exp.Expression) -> str:
    found = node.find_ancestor(exp.CTE)
    return found.alias if found is not None else "(statement)"


def _is_fixture(node: exp.Expression) -> bool:
    cte: exp.Expression | None = node if isinstance(node, exp.CTE) else node.find_ancestor(exp.CTE)
    while cte is not None:
        if cte.alias.startswith(FIXTURE) or cte.alias in SKIPPED_CTES:
            return True
        cte = cte.find_ancestor(exp.CTE)
    return False


def _shown(operator: str, node: exp.Expression) -> str:
    """The text a mutant is named by; relations by their bare name, whichever database or fixture they come from."""
    if operator == "union":
        sides = [text_of(side).split(" FROM ")[-1] for side in (node.this, node.expression)]
        text = f" {'UNION' if node.args.get('distinct') else 'UNION ALL'} ".join(sides)
    elif operator == "distinct":
        text = f"SELECT {'DISTINCT ' if node.args.get('distinct') else ''}{', '.join(node.named_selects)}"
    else:
        text = text_of(node)
    return re.sub(rf'"\w+"\."\w+"\."(\w+)"|{FIXTURE}(\w+)', lambda found: found[1] or found[2], text)


def _named(operator: str, node: exp.Expression, changed: exp.Expression) -> tuple[str, str]:
    """The text before and after; of a constant together with what it stands in."""
    around = node
    if operator in ("literal", "boolean"):
        steps = []
        while around.parent is not None and (around is node or isinstance(around, exp.Cast | exp.Paren | exp.Neg)):
            parent = around.parent
            steps.append(next(n for n, child in enumerate(parent.iter_expressions()) if child is around))
            around = parent
        copy = around.copy()
        place: exp.Expression = copy
        for step in reversed(steps):
            place = next(child for n, child in enumerate(place.iter_expressions()) if n == step)
        place.replace(changed.copy())
        return _shown(operator, around), _shown(operator, copy)
    return _shown(operator, node), _shown(operator, changed)


def mutants(model: str, tree: exp.Expression) -> list[Mutant]:
    """Every mutant of the statement, in the order of its text."""
    found: list[Mutant] = []
    seen: dict[tuple[str, str, str, str], int] = defaultdict(int)
    for position, node in enumerate(tree.dfs()):
        if _is_fixture(node):
            continue
        for operator, changes in OPERATORS.items():
            for variant, changed in enumerate(changes(node)):
                name = (operator, _cte_of(node), *_named(operator, node, changed))
                found.append(Mutant(model, *name, seen[name], position, variant))
                seen[name] += 1
    return found


def mutated(tree: exp.Expression, mutant: Mutant) -> exp.Expression:
    """A copy of the tree with the one change, which must be a mutant of this very tree."""
    copy = tree.copy()
    node = next(node for position, node in enumerate(copy.dfs()) if position == mutant.position)
    changed = list(OPERATORS[mutant.operator](node))[mutant.variant]
    if node is copy:
        return changed
    node.replace(changed)
    return copy


def counterpart(mutant: Mutant, others: Sequence[Mutant], own: Sequence[Mutant]) -> Mutant | None:
    """The same mistake in another compilation of the model: at the same place where both have the same shape, else
    wherever it has the same name, else the same name but for its numbers; None where there is no such place."""
    if [(m.operator, m.cte, m.variant) for m in others] == [(m.operator, m.cte, m.variant) for m in own]:
        return others[own.index(mutant)]
    for name in (_exact_name, _name_without_numbers):
        found = next((other for other in others if name(other) == name(mutant)), None)
        if found is not None:
            return found
    return None


def _exact_name(mutant: Mutant) -> tuple[str | int, ...]:
    return mutant.key


def _name_without_numbers(mutant: Mutant) -> tuple[str | int, ...]:
    before, after = (re.sub(r"\d+", "0", text) for text in (mutant.before, mutant.after))
    return (mutant.operator, mutant.cte, before, after, mutant.variant)


def sample(found: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """At most so many, the same ones every time: no mistake twice, and the operators in turn, so that all are there."""
    if not found:
        return []
    chance = random.Random(f"{seed} {found[0].model}")
    places: dict[tuple[str, str, str], list[Mutant]] = defaultdict(list)
    for mutant in found:
        places[mutant.operator, mutant.before, mutant.after].append(mutant)
    by_operator: dict[str, list[Mutant]] = defaultdict(list)
    for (operator, _, _), same in places.items():
        by_operator[operator].append(chance.choice(same))
    queues = [by_operator[operator] for operator in OPERATORS if operator in by_operator]
    chance.shuffle(queues)
    for queue in queues:
        chance.shuffle(queue)
    chosen: list[Mutant] = []
    while len(chosen) < count and any(queues):
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append(queue.pop())
    return sorted(chosen, key=lambda mutant: (mutant.position, mutant.operator, mutant.variant))
