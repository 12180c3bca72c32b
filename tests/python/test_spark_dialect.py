"""A cheap guard before `make test-spark`: the SQL that ran on DuckDB, read as Spark would read it, without Spark.

Reading is no proof that Spark gives the same rows; it catches constructs and functions that Spark does not have, and
some that it takes otherwise. Differences in dialect belong in macros/portability, so what those macros write for DuckDB
is let pass here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from typing import Any

import jinja2
import pytest
import sqlglot
from project import ROOT
from sqlglot import exp

# Functions that DuckDB and Spark 3.5 both have, with the same meaning. Look both up before you add one.
PORTABLE = {
    "abs", "any_value", "bool_and", "bool_or", "ceil", "chr", "coalesce", "concat", "concat_ws", "count", "count_if",
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
PORTABILITY = ROOT / "macros" / "portability"
MACRO = re.compile(r"\{%-?\s*macro\s+(\w+)\(.*?-?%\}(.*?)\{%-?\s*endmacro", flags=re.DOTALL)
CALL = re.compile(r"\b([a-z_]\w*)\(")
DISPATCHED = re.compile(r"adapter\.dispatch\('(\w+)'")
# Dispatched macros that give no value a fact of portability_*.sql could hold, with what proves them on each engine.
PROVEN_ELSEWHERE = {
    "scan_for_rejects": "test_input_formats: only DuckDB reads CSV",
    "scanned_rejects": "test_input_formats: only DuckDB reads CSV",
    **dict.fromkeys(
        ["has_files", "files_of_entity", "file_reads", "table_columns", "as_contract_type"],
        "test_input_formats and test_spark: input of every kind, and what is missing is named",
    ),
    **dict.fromkeys(
        ["streamed_cte", "streamed_input", "stored_cte"], "how a query runs, not what it gives; the tests of CTEs below"
    ),
    **dict.fromkeys(
        ["work_relation", "create_work_relation", "drop_work_relation", "logistic_invert"],
        "every fit: test_clv_models and test_logistic on DuckDB, CDNOW and the equal marts on Spark",
    ),
    **dict.fromkeys(["forget_build", "file_states"], "test_refresh, test_incremental; nothing is refreshed from Spark"),
    **dict.fromkeys(
        ["refreshes_by_account", "whole_table"],
        "test_incremental on DuckDB, the equal marts on Spark, where all is built",
    ),
    "query_of_unit_test": "every unit test on either engine",
}
COMPARISONS = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ)


def compiled(manifest: dict[str, Any]) -> dict[str, str]:
    """The SQL of every model and test, as it ran."""
    return {
        node["name"]: node["compiled_code"]
        for node in manifest["nodes"].values()
        if node.get("compiled_code") and not node["name"].startswith(READERS)
    }


@functools.cache
def as_spark(sql: str) -> exp.Expr:
    """A statement as Spark reads it; two tests ask for each of them."""
    return sqlglot.parse_one(sql, read="spark")


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
        tree = as_spark(sql)
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
    if any(inner.parent is not tree for inner in tree.find_all(exp.With)):
        yield "a with inside: on Spark only the outermost CTEs are stored (macros/portability/shared_ctes.sql)"
    for row in tree.find_all(exp.Tuple):
        if isinstance(row.parent, COMPARISONS) and any(isinstance(part, exp.Literal) for part in row.expressions):
            yield "a row with a literal is of other types than the row it is compared with: compare that value alone"
    for order in tree.find_all(exp.Window):
        spec = order.args.get("spec")
        by = order.args.get("order")
        if by and spec and str(spec.args.get("kind")).upper() == "RANGE" and spec.find(exp.Interval):
            key = by.expressions[0].this
            if not (isinstance(key, exp.Cast) and key.is_type("timestamp", "timestamptz")):
                yield "Spark ranges over an interval along a timestamp only: cast what is ordered by"
    for literal in tree.find_all(exp.Literal):
        if literal.is_number and re.fullmatch(r"\d*\.\d+", literal.name) and not isinstance(literal.parent, exp.Cast):
            yield f"{literal.name} is a decimal on Spark: write it with an exponent, or cast it"


def functions_for_duckdb(texts: Iterable[str]) -> set[str]:
    """The functions in macros that DuckDB has for itself: duckdb__x, and default__x where Spark has a spark__x."""
    macros = {name: body for text in texts for name, body in MACRO.findall(text)}
    found: set[str] = set()
    for name, body in macros.items():
        engine, _, rest = name.partition("__")
        is_alone = f"spark__{rest}" in macros and f"duckdb__{rest}" not in macros
        if engine == "duckdb" or (engine == "default" and is_alone):
            found.update(CALL.findall(body))
    return found


@pytest.fixture(scope="session")
def of_portability() -> set[str]:
    """What the macros of portability write for DuckDB alone, as Spark is written something else."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(PORTABILITY.glob("*.sql"))]
    assert all(duckdb in "\n".join(texts) for duckdb in ("not materialized", "-%} materialized", "//"))
    return functions_for_duckdb(texts)


def test_every_model_reads_as_spark_sql(manifest: dict[str, Any], of_portability: set[str]) -> None:
    statements = compiled(manifest)
    assert len(statements) > 150
    found = {name: list(problems(sql, of_portability)) for name, sql in statements.items()}
    assert {name: said for name, said in found.items() if said} == {}


def test_dialects_differ_in_portability_alone_and_each_macro_is_proven() -> None:
    dispatched = {
        name: path for path in (ROOT / "macros").rglob("*.sql") for name in DISPATCHED.findall(path.read_text("utf-8"))
    }
    assert {name for name, path in dispatched.items() if path.parent != PORTABILITY} == set()
    bodies: dict[str, str] = {}
    for path in PORTABILITY.glob("*.sql"):
        for name, body in MACRO.findall(path.read_text("utf-8")):
            base = name.rpartition("__")[2]
            bodies[base] = bodies.get(base, "") + body
    facts = [path.read_text("utf-8") for path in (ROOT / "tests" / "data").glob("portability_*.sql")]
    reached: set[str] = set()
    while facts:  # what a macro with a fact calls is held by that fact too
        called = set(CALL.findall(facts.pop())) & bodies.keys() - reached
        reached |= called
        facts += [bodies[name] for name in called]
    assert dispatched.keys() - reached == PROVEN_ELSEWHERE.keys()


def test_only_what_is_written_for_duckdb_is_let_pass() -> None:
    text = """
        {% macro f(a) %}{{ return(adapter.dispatch('f')(a)) }}{% endmacro %}
        {% macro duckdb__f(a) -%} list_sum({{ a }}) {%- endmacro %}
        {% macro default__f(a) -%} array_sum({{ a }}) {%- endmacro %}
        {% macro default__g(a) -%} strftime({{ a }}) {%- endmacro %}
        {% macro spark__g(a) -%} date_format({{ a }}) {%- endmacro %}
        {% macro default__h(a) -%} string_agg({{ a }}) {%- endmacro %}
        {% macro k(a) -%} from_json({{ a }}) {%- endmacro %}
    """
    assert functions_for_duckdb([text]) == {"list_sum", "strftime"}


def shared_ctes(sql: str) -> dict[str, bool]:
    """The CTEs that macros/portability/shared_ctes.sql finds in a query, and whether Spark would store them."""
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    text = (PORTABILITY / "shared_ctes.sql").read_text(encoding="utf-8")

    class Returned(Exception):
        pass

    def hand_back(value: Any) -> None:
        raise Returned(value)

    module = environment.from_string(text, {"modules": {"re": re}, "return": hand_back}).module
    with pytest.raises(Returned) as returned:
        module.split_ctes(sql)  # type: ignore[attr-defined]
    return {cte["name"]: cte["is_shared"] for cte in returned.value.args[0]["ctes"]}


def test_every_cte_is_found(manifest: dict[str, Any]) -> None:
    """A head written otherwise would leave the query as it is: a plan that Spark does not come to an end with."""
    for name, sql in compiled(manifest).items():
        for duckdb, spark in OF_PORTABILITY.items():
            sql = sql.replace(duckdb, spark)
        ctes = as_spark(sql).args.get("with_") or exp.With(expressions=[])
        assert list(shared_ctes(sql)) == [cte.alias for cte in ctes.expressions], name


def test_ctes_read_more_than_once_are_stored() -> None:
    sql = """
        -- a comment (with a bracket
        with named as (select * from `t`), twice as (select ')' as a from named), once as (select a from twice),
        streamed as  /* streamed */  (select 1 as b), -- read (twice)
        __dbt__cte__t as (select 2 as c), given as (select * from __dbt__cte__t)
        select a from once join twice join streamed join named join named
        join (select b from streamed) join given join given
    """
    assert shared_ctes(sql) == {
        "named": False, "twice": True, "once": False, "streamed": False, "__dbt__cte__t": False, "given": True
    }  # fmt: skip


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
        ("select a from (with b as (select 1 as a) select a from b) as c", "a with inside"),
        ("select a from t where (a, 0) is distinct from (b, c)", "a row with a literal"),
        ("select sum(a) over (order by d range between interval '7' day preceding and current row) from t", "interval"),
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
