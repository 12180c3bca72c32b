"""A cheap guard until the project runs on Spark: the SQL that ran on DuckDB, read as Spark would read it.

Reading is no proof that Spark gives the same rows; it catches constructs and functions that Spark does not have.
Differences in dialect belong in macros/portability, so what those macros write for DuckDB is let pass here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlglot
from project import ROOT
from sqlglot import exp

# Functions that DuckDB and Spark 3.5 both have, with the same meaning. Look both up before you add one.
PORTABLE = {
    "abs", "any_value", "bool_and", "bool_or", "ceil", "coalesce", "concat", "concat_ws", "count", "count_if",
    "date_trunc", "dense_rank", "exp", "extract", "first_value", "floor", "greatest", "lag", "last_value", "lead",
    "least", "length", "ln", "lower", "max", "max_by", "md5", "median", "min", "min_by", "ntile", "nullif", "power",
    "rank", "replace", "round", "row_number", "split_part", "sqrt", "substring", "sum", "trim", "upper",
}  # fmt: skip
# Words that may stand before a bracket and call nothing.
WORDS = {
    "and", "as", "by", "cast", "decimal", "else", "exists", "filter", "from", "group", "having", "in", "join", "not",
    "on", "or", "over", "sets", "then", "try_cast", "union", "using", "values", "when", "where", "within",
}  # fmt: skip
# What macros/portability writes for DuckDB and Spark's grammar has not, with what stands there for Spark.
OF_PORTABILITY = {"not materialized": "", "as materialized (": "as (", "//": "/"}
READERS = ("stg_crm__", "reader_rejects")  # staging reads files and tables in ways of the engine at hand


def compiled(manifest: dict[str, Any]) -> dict[str, str]:
    """The SQL of every model and test, as it ran."""
    return {
        node["name"]: node["compiled_code"]
        for node in manifest["nodes"].values()
        if node.get("compiled_code") and not node["name"].startswith(READERS)
    }


def problems(sql: str, of_portability: set[str]) -> Iterator[str]:
    """What in a statement Spark would not take, or not take the same way."""
    for duckdb, spark in OF_PORTABILITY.items() if of_portability else ():
        sql = sql.replace(duckdb, spark)
    bare = re.sub(r"--[^\n]*|'(?:[^']|'')*'", "''", sql.lower())
    names = {match.group(1) for match in re.finditer(r"(?<!\.)\b([a-z_]\w*)\s*\(", bare)}
    # names given to rows with their columns call nothing either: `(values ...) as digits (i)`
    aliases = set(re.findall(r"\)\s*as\s+([a-z_]\w*)\s*\(", bare))
    for name in sorted(names - WORDS - PORTABLE - of_portability - aliases):
        yield f"{name}() is not among the functions that DuckDB and Spark share"
    if re.search(r"\bas\s+(?:not\s+)?materialized\b", bare):
        yield "Spark does not know `as materialized`"
    try:
        tree = sqlglot.parse_one(sql, read="spark")
    except sqlglot.errors.ParseError as error:
        yield f"does not parse as Spark: {str(error).splitlines()[0]}"
        return
    if tree.find(exp.Qualify):
        yield "Spark does not know qualify"
    if any(clause.recursive for clause in tree.find_all(exp.With)):
        yield "Spark 3.5 does not know with recursive"
    if any(union.args.get("by_name") for union in tree.find_all(exp.Union)):
        yield "Spark does not know union by name"
    if any(star.args.get("except_") or star.args.get("replace") for star in tree.find_all(exp.Star)):
        yield "Spark does not know * exclude and * replace"
    for literal in tree.find_all(exp.Literal):
        if literal.is_number and re.fullmatch(r"\d*\.\d+", literal.name) and not isinstance(literal.parent, exp.Cast):
            yield f"{literal.name} is a decimal on Spark: write it with an exponent, or cast it"


@pytest.fixture(scope="session")
def of_portability() -> set[str]:
    """The functions that the macros for DuckDB write, among them those that other engines spell in their own way."""
    text = "\n".join(path.read_text() for path in (ROOT / "macros" / "portability").glob("*.sql"))
    assert all(duckdb in text for duckdb in ("not materialized", "-%} materialized", "//"))
    return set(re.findall(r"\b([a-z_]\w*)\(", text))


def test_every_model_reads_as_spark_sql(manifest: dict[str, Any], of_portability: set[str]) -> None:
    statements = compiled(manifest)
    assert len(statements) > 150
    found = {name: list(problems(sql, of_portability)) for name, sql in statements.items()}
    assert {name: said for name, said in found.items() if said} == {}


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select date_diff('day', a, b) from t", "date_diff()"),
        ("select list_sum(a) from t", "list_sum()"),
        ("select string_agg(a, ',') from t", "string_agg()"),
        ("with a as materialized (select 1 as x) select x from a", "as materialized"),
        ("select a from t qualify row_number() over (order by a) = 1", "qualify"),
        ("with recursive r as (select 1 as a) select a from r", "recursive"),
        ("select 1 as a union all by name select 2 as a", "union by name"),
        ("select * exclude (a) from t", "exclude"),
        ("select a * 1.0 from t", "1.0 is a decimal"),
        ("select {'a': 1} from t", "does not parse"),
    ],
)
def test_the_guard_finds(sql: str, said: str) -> None:
    assert said in " ".join(problems(sql, set()))


def test_the_guard_lets_pass() -> None:
    sql = """
        with digits as (select i from (values (0), (1)) as ones (i)),
        t as (select count(*) filter (where i > 0) as n, sum(i) over (partition by i order by i) as s from digits)
        select 'string_agg(' as a, cast(0.5 as double) as b, 1e0 * n as c from t where n in (1, 2) -- qualify(
    """
    assert list(problems(sql, set())) == []
