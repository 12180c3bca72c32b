"""Names, addresses and free text reach no mart: looked for in every text of every mart, and excluded by lineage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import duckdb
import pytest
from bestand.generate import read_contract
from project import ROOT, Warehouse

CONTRACT = read_contract(ROOT)
PERSONAL = [
    (entity, column)
    for entity, spec in CONTRACT.items()
    for column, rule in spec["columns"].items()
    if rule.get("personal")
]
# A word of everyday language or a number would be found by chance; the demo has none.
SHORTEST = 4


def personal_values(connection: duckdb.DuckDBPyConnection, schema: str = "seeds", prefix: str = "demo_") -> set[str]:
    """Every name, address and free text of the input."""
    found: set[str] = set()
    for entity, column in PERSONAL:
        rows = connection.execute(f"select distinct trim({column}) from {schema}.{prefix}{entity}").fetchall()
        found |= {row[0] for row in rows if row[0] and len(row[0]) >= SHORTEST}
    return found


def found_in_schema(connection: duckdb.DuckDBPyConnection, schema: str, values: Iterable[str]) -> list[str]:
    """table.column of every text in the schema in which one of the values stands, whatever is around it."""
    connection.execute("create or replace temp table personal (value varchar)")
    connection.execute("insert into personal select unnest(?)", [sorted({one.lower() for one in values})])
    columns = connection.execute(
        "select table_name, column_name from duckdb_columns() where schema_name = ? and data_type like '%VARCHAR%'"
        " order by all",
        [schema],
    ).fetchall()
    return [
        f"{table}.{column}"
        for table, column in columns
        if connection.execute(
            f'with texts as (select distinct lower(cast("{column}" as varchar)) as one from {schema}."{table}")'
            " select 1 from texts"
            " where exists (select 1 from personal where contains(texts.one, personal.value)) limit 1"
        ).fetchone()
    ]


@pytest.fixture(scope="module")
def connection(demo: Warehouse) -> Any:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{demo.database}' as demo (read_only)")
        connection.execute("use demo")
        yield connection


def test_the_scanner_finds_what_is_planted() -> None:
    """A whole value, one in a sentence, one in JSON, one in another case; not what only resembles it."""
    with duckdb.connect() as connection:
        connection.execute("create schema marts")
        for name, text in {
            "whole": "Anna Keller", "sentence": "Call Anna Keller today.", "json": '{"name":"Anna Keller"}',
            "case": "ANNA KELLER", "other": "Anna Kellermann", "nobody": "Anna K.",
        }.items():  # fmt: skip
            connection.execute(f"create table marts.{name} as select 1 as number, ? as text", [text])
        connection.execute("create table marts.list as select ['x', 'Anna Keller'] as texts")
        found = found_in_schema(connection, "marts", ["Anna Keller"])
        assert found == ["case.text", "json.text", "list.texts", "other.text", "sentence.text", "whole.text"]


def test_personal_columns_of_the_contract() -> None:
    assert set(PERSONAL) == {
        ("accounts", "account_name"), ("contacts", "full_name"), ("contacts", "email"), ("cancellations", "comment"),
        ("alert_feedback", "given_by"),
    }  # fmt: skip


def test_no_mart_carries_personal_data(connection: duckdb.DuckDBPyConnection) -> None:
    values = personal_values(connection)
    assert len(values) > 1000 and any("@" in one for one in values)
    assert found_in_schema(connection, "marts", values) == []
    # the same values stand where names are allowed, so that finding none above means something
    conformed = found_in_schema(connection, "conformed", values)
    assert {"validated_contacts.email", "validated_contacts.full_name", "validated_accounts.account_name"} <= set(
        conformed
    )


def test_no_mart_has_a_column_of_that_name(connection: duckdb.DuckDBPyConnection) -> None:
    names = {column for _, column in PERSONAL}
    rows = connection.execute(
        "select table_name, column_name from duckdb_columns() where schema_name = 'marts'"
    ).fetchall()
    assert [row for row in rows if row[1] in names] == []


def test_names_are_joined_in_one_place_that_nothing_reads(manifest: dict[str, Any]) -> None:
    models = {one["unique_id"]: one for one in manifest["nodes"].values() if one["resource_type"] == "model"}
    restricted = {one for one, node in models.items() if node["original_file_path"].startswith("models/restricted/")}
    assert {models[one]["name"] for one in restricted} == {"account_directory"}
    readers = [node["name"] for node in models.values() if restricted.intersection(node["depends_on"]["nodes"])]
    assert readers == []
    for one in restricted:
        assert models[one]["schema"] == "restricted"


def test_the_directory_joins_names(connection: duckdb.DuckDBPyConnection) -> None:
    row = connection.execute(
        "select count(*), count(distinct account_id), count(account_name), count(account_manager_id), count(full_name),"
        " count(email), count(case when contact_role = 'champion' then 1 end) from restricted.account_directory"
    ).fetchone()
    assert row is not None
    accounts, distinct, names, managers, people, addresses, champions = row
    (expected,) = connection.execute("select count(*) from conformed.accounts").fetchone() or (None,)
    assert accounts == distinct == expected
    assert min(names, managers, people, addresses, champions) > 0 and addresses <= people
    left = connection.execute(
        "select count(*) from restricted.account_directory as directory inner join conformed.contacts as contacts"
        " on directory.contact_id = contacts.contact_id"
        " where contacts.left_at is not null or contacts.account_id <> directory.account_id"
        " or contacts.full_name is distinct from directory.full_name"
    ).fetchone()
    assert left == (0,)
