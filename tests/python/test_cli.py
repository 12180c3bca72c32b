"""The command line: what it prints, what it makes, and how it fails."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import small_marts
from bestand import docs, paths, plots, summary, warehouse
from bestand.cli import app
from click.testing import Result
from project import ROOT, Warehouse, write_entity
from typer.testing import CliRunner


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hand-made database, set as the one of the command line."""
    database = small_marts.write(tmp_path / "small.duckdb")
    monkeypatch.setenv("BESTAND_DATABASE", str(database))
    return database


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of its own for all that a build leaves."""
    monkeypatch.setenv("BESTAND_DATABASE", str(tmp_path / "scratch.duckdb"))
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path / "target"))
    monkeypatch.setenv("DBT_LOG_PATH", str(tmp_path / "logs"))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "120"})


def line(output: str, start: str) -> list[str]:
    """The cells of the one line that starts so."""
    (found,) = [each for each in output.splitlines() if each.strip().startswith(start)]
    return re.split(r"\s{2,}", found.strip())[1:]


# --- summary ---


def test_summary_takes_the_last_complete_period_of_each_grain(small: Path) -> None:
    result = run("summary")
    assert result.exit_code == 0, result.output
    assert "1 June 2026" in result.output
    assert line(result.output, "Customers  ") == ["318"]
    assert line(result.output, "MRR  ") == ["101,000.00 EUR"]
    assert line(result.output, "Last complete period") == ["May 2026", "Q1 2026", "2025"]
    assert line(result.output, "Customers lost") == ["9", "20", "40"]
    assert line(result.output, "Customer churn") == ["2.9 %", "7.1 %", "20.0 %"]
    assert line(result.output, "95 % interval") == ["1.9 to 4.9 %", "6.1 to 9.1 %", "19.0 to 22.0 %"]
    assert line(result.output, "Net revenue retention") == ["102.1 %", "105.2 %", "110.0 %"]
    assert line(result.output, "Gross revenue retention") == ["95.9 %", "91.8 %", "79.0 %"]


def test_summary_names_the_riskiest_segment_that_is_large_enough(small: Path) -> None:
    output = run("summary").output
    assert line(output, "Riskiest segment") == ["industry = wholesale"]
    assert "32.0 % of 50 customers lost in 2025 (95 %: 31.0 to 34.0 %)" in output


def test_summary_of_customers_without_contract(small: Path) -> None:
    output = run("summary").output
    assert line(output, "Customers without contract") == ["1,250 bought, 40.0 % of them again (95 %: 37.3 to 42.7 %)"]


def test_summary_of_early_warning_counts_who_is_leaving_apart(small: Path) -> None:
    output = " ".join(run("summary").output.split())
    assert "Early warning 2 open alerts; 2 customers red or amber" in output
    assert "323.50 EUR of MRR at risk; 1 customers are leaving with 700.00 EUR" in output


def test_summary_of_customer_value_counts_who_could_not_be_valued(small: Path) -> None:
    output = " ".join(run("summary").output.split())
    assert "Residual customer value 1,000,000.00 EUR expected of 2 customers; 1 more could not be valued" in output
    assert "(95 %: 800,000.00 EUR to 1,250,000.00 EUR)" in output


def test_summary_counts_what_was_held_back_and_says_where_the_marts_are(small: Path) -> None:
    output = " ".join(run("summary").output.split())
    assert "Rows quarantined 8 of 7,000 read subscriptions 5, accounts 3" in output
    assert "The marts 8 tables in schema marts of" in output
    assert "small.duckdb" in output


def test_summary_of_another_currency_and_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BESTAND_DATABASE", str(small_marts.write(tmp_path / "a.duckdb", "ada_marts")))
    result = run("summary", "--vars", "{schema_prefix: ada, reporting_currency: USD}")
    assert result.exit_code == 0, result.output
    assert line(result.output, "MRR  ") == ["101,000.00 USD"]
    assert run("summary").exit_code == 2


def test_summary_of_no_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BESTAND_DATABASE", str(small_marts.write(tmp_path / "empty.duckdb", rows=False)))
    result = run("summary")
    assert result.exit_code == 0, result.output
    assert "No complete month of subscriptions" in result.output
    assert line(result.output, "Rows read") == ["none"]
    assert "Residual customer value" not in result.output
    assert "Early warning" not in result.output


def test_summary_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BESTAND_DATABASE", str(tmp_path / "none.duckdb"))
    result = run("summary")
    assert result.exit_code == 2
    assert "There is no database" in result.output
    duckdb.connect(str(tmp_path / "bare.duckdb")).close()
    monkeypatch.setenv("BESTAND_DATABASE", str(tmp_path / "bare.duckdb"))
    result = run("summary")
    assert result.exit_code == 2
    assert "does not hold the marts" in result.output
    (tmp_path / "text.duckdb").write_text("not a database")
    monkeypatch.setenv("BESTAND_DATABASE", str(tmp_path / "text.duckdb"))
    result = run("summary")
    assert result.exit_code == 2
    assert "cannot be opened" in result.output


@pytest.mark.parametrize(
    ("day", "next_day"), [("2026-06-01", "2026-07-01"), ("2025-12-01", "2026-01-01"), ("2026-01-01", "2026-02-01")]
)
def test_next_month(day: str, next_day: str) -> None:
    import datetime as dt

    assert summary.next_month(dt.date.fromisoformat(day)) == dt.date.fromisoformat(next_day)


def test_summary_of_the_demo_is_what_its_marts_say(demo: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BESTAND_DATABASE", str(demo.database))
    output = run("summary").output
    customers = demo.value("select customers_end from marts.mrr_monthly where month_start = date '2026-06-01'")
    assert line(output, "Customers  ") == [f"{customers:,}"]
    assert line(output, "Last complete period") == ["Jun 2026", "Q2 2026", "2025"]
    quarantined = demo.value("select sum(rows_quarantined + rows_rejected_by_reader) from marts.input_accounting")
    assert quarantined > 0
    assert line(output, "Rows quarantined")[0].startswith(f"{quarantined:,} of ")


# --- where things lie ---


def test_a_relative_database_lies_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BESTAND_DATABASE", "some/where.duckdb")
    assert paths.database() == ROOT / "some" / "where.duckdb"
    monkeypatch.setenv("BESTAND_DATABASE", str(tmp_path / "here.duckdb"))
    assert paths.database() == tmp_path / "here.duckdb"
    monkeypatch.delenv("BESTAND_DATABASE")
    assert paths.database() == ROOT / "bestand.duckdb"


def test_a_database_that_is_being_written_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = small_marts.write(tmp_path / "busy.duckdb")

    def locked(*_: Any, **__: Any) -> None:
        raise duckdb.IOException("IO Error: Could not set lock on file: Conflicting lock is held in ...")

    monkeypatch.setattr(duckdb, "connect", locked)
    with pytest.raises(warehouse.NoMarts, match="Another process has"), warehouse.connect(database):
        pass


# --- build ---


def test_build_refuses_what_cannot_be(scratch: Path) -> None:
    for arguments, said in (
        (["--files", str(scratch / "nowhere")], "there is no such folder"),
        (["--files", str(scratch), "--source", "seeds"], "--files goes with --source files"),
        (["--vars", "[1, 2"], "--vars cannot be read as YAML"),
        (["--vars", "word"], "expected YAML such as"),
    ):
        result = run("build", *arguments)
        assert result.exit_code == 2
        assert said in result.output


def test_build_shows_dbts_sentence_of_a_wrong_var(scratch: Path) -> None:
    result = run("build", "--as-of", "2026-13-01")
    assert result.exit_code != 0
    assert "expected a day as YYYY-MM-DD" in result.output
    assert "Traceback" not in result.output


def test_build_says_in_few_lines_what_is_wrong_with_the_input(scratch: Path) -> None:
    write_entity(scratch / "crm", "orders", [{"order_id": "o1", "account_id": "a1", "amount": "1"}])
    result = run("build", "--files", str(scratch / "crm"), "--as-of", "2026-01-01")
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0] == "The build failed."
    assert lines[1].startswith("model stg_crm__inputs (models/staging/crm/stg_crm__inputs.sql): error")
    assert any("accounts is not supplied" in each for each in lines)
    assert any("crm/orders.csv: columns" in each for each in lines)
    assert lines[-1].endswith("nodes downstream were left as they were.")
    assert len(lines) < 10


def test_build_passes_the_selection_on(scratch: Path) -> None:
    result = run("build", "--select", "demo_features", "--select", "demo_plans")
    assert result.exit_code == 0, result.output
    with duckdb.connect(str(scratch / "scratch.duckdb"), read_only=True) as connection:
        tables = connection.execute("select table_name from information_schema.tables order by 1").fetchall()
    assert tables == [("demo_features",), ("demo_plans",)]
    assert "Customers" not in result.output, "no summary of a part"


def test_build_names_what_else_failed(scratch: Path) -> None:
    result = run("build", "--select", "accounts", "--select", "plans")
    assert result.exit_code == 1
    first, other = ("accounts", "plans") if "Failed as well: plans" in result.output else ("plans", "accounts")
    assert f"model {first} (models/conformed/{first}.sql): error" in result.output
    assert f"validated_{first} does not exist" in result.output
    assert f"Failed as well: {other}" in result.output
    assert re.search(r"\n\d+ nodes? downstream", result.output)


# --- generated parts ---


def test_generated_docs_are_up_to_date(manifest: dict[str, Any]) -> None:
    outdated = docs.outdated(docs.pages(manifest))
    assert not outdated, f"run `make docs`: {outdated}"


def test_docs_write_what_differs_and_remove_what_is_gone(manifest: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "docs/marts").mkdir(parents=True)
    (tmp_path / "docs/marts/gone.md").write_text("of a folder that is no more")
    for name in ("docs/vars.md", "docs/requirements.yml", "dbt_project.yml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    made = docs.pages(manifest, tmp_path)
    changed = docs.write(made, tmp_path)
    assert Path("docs/marts/gone.md") in changed
    assert Path("docs/coverage.md") in changed
    assert docs.outdated(made, tmp_path) == []
    page = (tmp_path / "docs/marts/retention.md").read_text()
    assert "## cohort_retention" in page
    assert "| logo_retention | double |" in page
    (a1,) = [each for each in (tmp_path / "docs/coverage.md").read_text().splitlines() if 'id="a1"' in each]
    assert "[cohort_retention](marts/retention.md#cohort_retention)" in a1
    assert "`cohort_retention_adds_up`" in a1, "a test in tests/data"
    (f1,) = [each for each in (tmp_path / "docs/coverage.md").read_text().splitlines() if 'id="f1"' in each]
    assert "not yet" in f1


def test_an_unknown_requirement_is_refused(manifest: dict[str, Any]) -> None:
    node = {
        "resource_type": "model", "name": "odd", "unique_id": "model.bestand.odd", "description": "One row.",
        "original_file_path": "models/marts/churn/odd.sql", "columns": {}, "config": {"meta": {"requirement": "Z9"}},
    }  # fmt: skip
    with pytest.raises(ValueError, match="does not have: Z9"):
        docs.pages({**manifest, "nodes": {**manifest["nodes"], "model.bestand.odd": node}})


def test_every_var_is_documented_with_its_default() -> None:
    page = (ROOT / "docs/vars.md").read_text(encoding="utf-8")
    defaults = docs.project_vars()
    assert docs.with_defaults(page, defaults) == page
    with pytest.raises(ValueError, match="does not explain: brand_new"):
        docs.with_defaults(page, {**defaults, "brand_new": 1})
    with pytest.raises(ValueError, match="does not have: pause_is_churn"):
        docs.with_defaults(page, {name: value for name, value in defaults.items() if name != "pause_is_churn"})
    assert "Default: `77`" in docs.with_defaults(page, {**defaults, "fx_max_age_days": 77})


def test_generate_check_says_nothing_is_out_of_date() -> None:
    result = run("generate", "--check")
    assert result.exit_code == 0, result.output


# --- pictures ---


def test_the_cohort_picture_is_a_picture_and_always_the_same(small: Path, tmp_path: Path) -> None:
    for measure in plots.MEASURES:
        first, second = tmp_path / f"{measure}_1.png", tmp_path / f"{measure}_2.png"
        for out in (first, second):
            result = run("plot", "cohorts", "--out", str(out), "--measure", measure, "--cohorts", "6")
            assert result.exit_code == 0, result.output
        assert first.read_bytes().startswith(b"\x89PNG")
        assert first.read_bytes() == second.read_bytes()


def test_the_picture_s_last_line_weighs_the_cohorts_by_their_size(tmp_path: Path) -> None:
    database = small_marts.write(tmp_path / "w.duckdb")
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            "delete from marts.cohort_retention where cohort_start < date '2026-04-01' or period_index > 0"
        )
        connection.execute(
            "update marts.cohort_retention set logo_retention = 0.5, customers_at_start = 10 "
            "where cohort_start = date '2026-05-01'"
        )
        connection.execute(
            "update marts.cohort_retention set logo_retention = 0.9, customers_at_start = 30 "
            "where cohort_start = date '2026-04-01'"
        )
    with warehouse.connect(database) as connection:
        sql = plots.TRIANGLE.format(marts="marts", measure="logo_retention", weight="customers_at_start")
        cells = warehouse.rows(connection, sql, 18)
    assert [cell["share"] for cell in cells] == [0.9, 0.5]
    assert [cell["weighted_share"] for cell in cells] == [pytest.approx(0.8)] * 2


def test_the_pictures_of_the_fits_are_pictures(
    demo: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BESTAND_DATABASE", str(demo.database))
    for kind in ("tracking", "expectations", "survival"):
        out = tmp_path / f"{kind}.png"
        result = run("plot", kind, "--out", str(out), "--label", "Demo")
        assert result.exit_code == 0, result.output
        assert out.read_bytes().startswith(b"\x89PNG")
    result = run("plot", "survival", "--out", str(out), "--period-months", "7")
    assert result.exit_code == 2
    assert "no fitted survival" in result.output


def test_no_cohorts_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BESTAND_DATABASE", str(small_marts.write(tmp_path / "empty.duckdb", rows=False)))
    result = run("plot", "cohorts", "--out", str(tmp_path / "none.png"))
    assert result.exit_code == 2
    assert "no monthly cohort" in result.output
    assert not (tmp_path / "none.png").exists()


# --- examples ---


def test_an_unknown_example_is_named(scratch: Path) -> None:
    result = run("example", "nope")
    assert result.exit_code == 2
    assert "There is no example 'nope'" in result.output
