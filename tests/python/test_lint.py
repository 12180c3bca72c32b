"""The project passes its own lint, and each check of the lint finds what it is for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from bestand import lint
from project import ROOT


def test_text_of_the_project() -> None:
    assert list(lint.text_findings(ROOT)) == []


def test_every_model_and_every_column_of_a_mart_is_described(manifest: dict[str, Any]) -> None:
    assert list(lint.undescribed(manifest)) == []


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ("select a::int from t", 1),
        ("select a\nfrom t\nqualify row_number() over (order by a) = 1", 3),
        ("select string_agg(a, ',') from t", 1),
        ("select 1 as a\nunion all by name\nselect 2 as a", 2),
        ("select 1 as a union by name select 2 as a", 1),
        ("with recursive t as (select 1)", 1),
        ("select a * 1.0 from t", 1),
        ("select a\n    * 0.5 as half from t", 2),
        ("select cast(a as varchar) from t", 1),
        ("select current_date", 1),
        ("select now()", 1),
        ("{{ add_days('a::date', 1) }}", 1),
    ],
)
def test_what_is_not_portable_is_found(sql: str, line: int) -> None:
    assert [number for number, _ in lint.not_portable(sql)] == [line]


@pytest.mark.parametrize(
    "sql",
    [
        "select cast(a as string) from t",
        "select a * 1e0, a * 0.5e0, 1.5e-3 from t",
        "select cast(0.5 as decimal(18, 4)) from t",
        "{% set z = 1.96 %}{{ z * 0.5 }}",
        "select '1.0' as version, a from t",
        "-- a::int, qualify, 1.0\nselect a from t",
        "{# string_agg\n  and 1.0 #}\nselect a from t",
        "select t1.a, v2.b from t1",
        "select a as qualified, b as nowhere from t",
    ],
)
def test_what_is_portable_is_let_be(sql: str) -> None:
    assert list(lint.not_portable(sql)) == []


def test_layout() -> None:
    assert list(lint.layout("select a\n")) == []
    assert [line for line, _ in lint.layout("a\n\tb\nc \n" + "d" * 161 + "\ne")] == [2, 3, 4, 5]
    assert list(lint.layout("{{ return(adapter.dispatch('" + "x" * 160 + "')) }}\n")) == []


def test_upper_case() -> None:
    assert [line for line, _ in lint.upper_case("-- SELECT\nselect a\nFROM t\nleft join u\nGROUP BY a\n")] == [3, 5]


def test_yaml() -> None:
    assert list(lint.yaml_errors("models:\n  - name: a\n    columns: []\n  - name: b\n")) == []
    assert [line for line, _ in lint.yaml_errors("models:\n  - name: a\n    columns: []\n    name: b\n")] == [2]
    assert [line for line, _ in lint.yaml_errors("a: [1, 2\nb: 3\n")] == [2]


def test_models_and_their_yml_stand_in_pairs(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    for name in ("good", "lonely", "misnamed"):
        (models / f"{name}.sql").write_text("select 1 as a\n")
    (models / "good.yml").write_text("models:\n  - name: good\n")
    (models / "misnamed.yml").write_text("models:\n  - name: other\n")
    found = list(lint.unpaired(tmp_path))
    assert len(found) == 2
    assert "lonely.sql: no lonely.yml" in found[0]
    assert "misnamed.yml: describes ['other']" in found[1]


def test_undescribed() -> None:
    def node(name: str, path: str, description: str, meta: dict[str, Any], column: str = "A key.") -> dict[str, Any]:
        return {
            "resource_type": "model", "name": name, "original_file_path": path, "description": description,
            "config": {"meta": meta}, "columns": {"k": {"name": "k", "description": column}},
        }  # fmt: skip

    nodes = [
        node("good", "models/marts/churn/good.sql", "One row.", {"requirement": "B1"}),
        node("silent", "models/intermediate/silent.sql", " ", {}),
        node("aimless", "models/marts/churn/aimless.sql", "One row.", {}),
        node("bare", "models/marts/churn/bare.sql", "One row.", {"requirement": ["B1"]}, ""),
    ]
    assert list(lint.undescribed({"nodes": {str(number): each for number, each in enumerate(nodes)}})) == [
        "silent: no description",
        "aimless: no meta.requirement",
        "bare.k: no description",
    ]


def test_of_the_generated_models_one_entity_stands_for_all() -> None:
    found = {path.relative_to(ROOT).as_posix() for path in lint.rendered(ROOT)}
    assert "models/conformed/validated/validated_features.sql" in found
    assert "models/conformed/validated/validated_accounts.sql" not in found
    assert "models/marts/retention/cohort_retention.sql" in found
    assert "tests/data/mrr_movements_add_up.sql" in found


@pytest.mark.slow
def test_sqlfluff_finds_and_a_file_it_leaves_out_is_an_error(tmp_path: Path) -> None:
    for folder in ("macros", "models", "profiles", "seeds", "tests/generic", "tests/data"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for file in ("dbt_project.yml", ".sqlfluff"):
        shutil.copy(ROOT / file, tmp_path / file)
    folder = tmp_path / "models" / "intermediate" / "calendar"
    cases = {
        "fine": "select period_grain\nfrom {{ ref('int_periods') }}\n",
        "grouped": "select period_grain\nfrom {{ ref('int_periods') }}\ngroup by grouping sets ((period_grain), ())\n",
        "shouting": "SELECT period_grain P\nfrom {{ ref('int_periods') }}\n",
        "broken": "select from where\n",
        "disabled": "{{ config(enabled=false) }}\nselect 1 as a\n",
        "peeking": "{% set found = run_query('select a from nowhere') %}\nselect 1 as a\n",
    }
    for name, sql in cases.items():
        (folder / f"{name}.sql").write_text(sql)
    found = list(lint.sqlfluff_findings(tmp_path, [folder / f"{name}.sql" for name in cases]))

    def of(name: str) -> str:
        return "\n".join(each for each in found if f"/{name}.sql" in each.split(" ")[0])

    assert of("fine") == ""
    assert of("grouped") == ""
    assert "CP01" in of("shouting")
    assert "AL02" in of("shouting")
    assert "PRS" in of("broken")
    assert "not linted" in of("disabled")
    assert "disabled" in of("disabled")
    assert "not linted" in of("peeking")
    assert "fatal" in of("peeking")
