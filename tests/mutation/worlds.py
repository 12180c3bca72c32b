"""The builds mutants are tried in: fixture, vars, and what its marts must hold.

One packed fixture: the worked examples, random histories with orders, and rows that give churn reasons and renewals
something to look at. Each world is one dbt build of it, for its own day and vars. The marts of an unmutated world agree
with the worked examples and with the oracle in every row; this is checked before any mutant is made. A mutant
therefore disagrees with them as soon as one of the compared values changes.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import histories
import worked_examples as examples
from agreement import differences
from oracle import MARTS, Options, Oracle
from project import Warehouse, build_files, dbt, write_entity

DIMENSIONS = ("industry", "plan", "contract_length")
DAY = dt.timedelta(days=1)
SELECTED = "+path:models/marts/retention +path:models/marts/churn"
# The rates of the histories are others than those of the worked examples, which therefore get a currency of their own.
EXAMPLE_CURRENCY = {"USD": "CHF"}


@dataclass(frozen=True)
class View:
    """Values that are known: these columns of these rows of a mart."""

    killer: str
    mart: str
    condition: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class World:
    """One build. `variants_of`: the models whose SQL only this world compiles this way."""

    name: str
    as_of: dt.date
    variables: Mapping[str, Any] = field(default_factory=dict)
    has_oracle: bool = True
    has_examples: bool = False
    variants_of: tuple[str, ...] = ()
    # Who counts as without contract where these vars leave none of the paid versions a day is left open.
    relationships: tuple[str, ...] = ("contract", "no_contract")

    @property
    def options(self) -> Options:
        return Options(self.as_of, DIMENSIONS, **self.variables)


WORLDS = {
    world.name: world
    for world in [
        World("boundary", histories.AS_OF_BOUNDARY, has_examples=True),
        World("inside", histories.AS_OF_INSIDE),
        World(
            "choices",
            histories.AS_OF_BOUNDARY,
            {
                "churn_recognition": "notice",
                "pause_is_churn": True,
                "reactivation_gap_days": 14,
                "reactivation_in_net_churn": True,
            },
            variants_of=("int_subscription_versions", "int_paid_versions", "churn_by_segment", "mrr_monthly"),
            relationships=("contract",),
        ),
        World(
            "past due",
            histories.AS_OF_BOUNDARY,
            {"past_due_is_mrr": False},
            has_oracle=False,
            variants_of=("int_paid_versions",),
        ),
    ]
}


# --- the fixture ------------------------------------------------------------------------------------------------------


def _chosen(text: str, count: int) -> int:
    """A number below `count` that depends on the text alone."""
    return sum(n * ord(letter) for n, letter in enumerate(text, 1)) % count


def _terms(row: dict[str, Any]) -> dict[str, Any]:
    """Product, contract end and renewal of a subscription version; the oracle's marts do not look at them."""
    chosen = _chosen(f"{row['subscription_id']} {row['valid_from']}", 5)
    term = row.get("contract_term_months")
    contract_end = None
    if term and chosen == 1:
        contract_end = row["valid_from"] + term * 30 * DAY
    product = [None, "suite", "suite", "addon"][_chosen(row["subscription_id"].rsplit(":")[-1], 4)]
    return {**row, "product": product, "contract_end_on": contract_end, "auto_renews": [None, True, False][chosen % 3]}


def fixture(count: int) -> histories.Rows:
    """The input rows of the worked examples, of so many histories, and of what explains churn."""
    packed = histories.pack(histories.collect(count) if count else [])
    for entity, rows in examples.inputs(examples.EXAMPLES).items():
        packed[entity] += [
            {**row, "currency": EXAMPLE_CURRENCY.get(row.get("currency", ""), row.get("currency"))}
            if "currency" in row
            else row
            for row in rows
        ]
    packed["subscriptions"] = [_terms(row) for row in packed["subscriptions"]]
    ended = [row for row in packed["subscriptions"] if row["valid_to"]]
    packed["cancellations"] = [
        {
            "cancellation_id": f"c{n:04d}",
            "account_id": row["account_id"],
            "subscription_id": row["subscription_id"],
            "requested_on": row["valid_to"] - [0, 1, 20, -1, 400][n % 5] * DAY,
            "reason_code": ["price", "competitor", None, "insolvency", "of their own"][n // 5 % 5],
        }
        for n, row in enumerate(ended)
        if n % 3
    ]
    packed["invoices"] = [
        {
            "invoice_id": f"i{n:04d}",
            "account_id": row["account_id"],
            "subscription_id": row["subscription_id"] if n % 2 else None,
            "issued_on": row["valid_to"] - 90 * DAY,
            "due_on": row["valid_to"] - [0, 1, 30, 59, 60, 61][n % 6] * DAY,
            "paid_on": row["valid_to"] + [0, 1, 30][n % 3] * DAY if n % 4 else None,
            "amount": [10, 10, 0, -5][n // 4 % 4],
            "currency": "EUR",
            "status": ["open", "paid", "failed", "void", None][n % 5],
        }
        for n, row in enumerate(ended)
        if n % 3 != 1
    ]
    return packed


def write(folder: Path, packed: histories.Rows) -> Path:
    for entity, rows in packed.items():
        columns = list(dict.fromkeys([*histories.COLUMNS.get(entity, []), *(column for row in rows for column in row)]))
        write_entity(folder, entity, rows, columns)
    return folder


# --- a build and what it must hold ------------------------------------------------------------------------------------


@dataclass
class Built:
    """A world that has been built, found right, and may be mutated."""

    world: World
    warehouse: Warehouse
    manifest: dict[str, Any]
    passed: set[str]  # data tests that have run and passed
    views: list[View]


def variables(world: World, files: Path) -> dict[str, Any]:
    return {
        "crm_source": "files",
        "crm_files": str(files),
        "as_of_date": world.as_of.isoformat(),
        "segment_dimensions": list(DIMENSIONS),
        **world.variables,
    }


def build(world: World, work: Path, packed: histories.Rows, select: str = SELECTED, *, check: bool = True) -> Built:
    """The project built on the fixture. Fails where it is not what the examples and the oracle say."""
    files = write(work / "files", packed)
    warehouse = build_files(
        work,
        files,
        world.as_of.isoformat(),
        select=select,
        segment_dimensions=list(DIMENSIONS),
        **world.variables,
    )
    assert warehouse.success, warehouse.messages()
    passed = {str(result.node.unique_id) for result in warehouse.result.result.results if str(result.status) == "pass"}
    manifest = json.loads((warehouse.target / "manifest.json").read_text(encoding="utf-8"))
    built = Built(world, warehouse, manifest, passed, [])
    if world.has_examples:
        built.views += _example_views(warehouse, check)
    if world.has_oracle:
        built.views += _oracle_views(world, warehouse, packed, check)
    return built


def unit_test_files(world: World, built: Built) -> dict[str, list[Path]]:
    """Runs the unit tests once; for each model the statements dbt has run for those that pass. Under other vars than
    the defaults a unit test may fail that does not set the vars it is about."""
    work = built.warehouse.target.parent / "unit"
    tests = dbt(
        work,
        "test",
        "--select",
        "test_type:unit",
        variables=variables(world, built.warehouse.database.parent / "files"),
        database=built.warehouse.database,
    )
    assert tests.success or world.variables, tests.messages()
    found: dict[str, list[Path]] = {}
    for result in tests.result.result.results:
        if str(result.status) == "pass":
            path = work / "target" / "run" / result.node.package_name / result.node.original_file_path
            found.setdefault(path.stem, []).append(path / Path(result.node.path))
    return found


def _example_views(warehouse: Warehouse, check: bool) -> list[View]:
    expected: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for example in examples.EXAMPLES:
        account = f"account_id = '{example.account_id}'"
        segment = f"segment_dimension = 'industry' and segment_value = '{example.name}'"
        quarters = examples.expected_quarters(example)
        starts = ", ".join(f"date '{row['period_start']}'" for row in quarters)
        expected["account_months", account] = examples.expected_account_months(example)
        moved = f"{account} and (movement <> 'none' or mrr_change <> 0)"
        expected["mrr_movements", moved] = [
            {**row, "currency": EXAMPLE_CURRENCY.get(row["currency"], row["currency"])}
            for row in examples.expected_movements(example)
        ]
        expected["cohort_retention", f"cohort_grain = 'month' and {segment}"] = examples.expected_cohort(example)
        if quarters:
            condition = f"period_grain = 'quarter' and {segment} and period_start in ({starts})"
            expected["churn_by_segment", condition] = quarters
    views = []
    for (mart, condition), rows in expected.items():
        if check:
            found = differences(mart, rows, warehouse.rows(f"select * from marts.{mart} where {condition}"))
            assert not found, "\n".join(found)
        common = tuple(column for column in rows[0] if all(column in row for row in rows))
        views.append(View("worked examples", mart, condition, common))
    return views


def _oracle_views(world: World, warehouse: Warehouse, packed: histories.Rows, check: bool) -> list[View]:
    """Every column the oracle gives, of every row."""
    oracle = Oracle(packed, world.options)
    views = []
    for mart, make in MARTS.items():
        expected = make(oracle)
        condition = "true"
        if mart == "cohort_retention":
            names = ", ".join(f"'{name}'" for name in world.relationships)
            condition = f"relationship in ({names})"
            expected = [row for row in expected if row["relationship"] in world.relationships]
        columns = tuple(expected[0])
        assert all(tuple(row) == columns or set(row) == set(columns) for row in expected)
        if check:
            found = differences(mart, expected, warehouse.rows(f"select * from marts.{mart} where {condition}"))
            assert not found, f"{len(found)} differences in {mart}\n" + "\n".join(found[:5])
        views.append(View("oracle", mart, condition, columns))
    return views
