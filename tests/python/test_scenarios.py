"""What users bring in practice: parts of the contract, nothing at all, other choices, rows in another order."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from project import ROOT, Warehouse, build_files, dbt
from same_marts import differences

DEMO = ROOT / "seeds" / "demo"
AS_OF = "2026-07-01"
pytestmark = pytest.mark.slow

Row = dict[str, str]


def demo_files(
    folder: Path,
    entities: Iterable[str] | None = None,
    *,
    without: Iterable[str] = (),
    change: Callable[[str, list[Row]], list[Row]] | None = None,
) -> Path:
    """The demo's entities as contract files, chosen and changed; returns the folder."""
    folder.mkdir(parents=True)
    for path in sorted(DEMO.glob("demo_*.csv")):
        entity = path.stem.removeprefix("demo_")
        if (entities is not None and entity not in set(entities)) or entity in set(without):
            continue
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
        if change:
            rows = change(entity, rows)
        with (folder / f"{entity}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, reader.fieldnames or [])
            writer.writeheader()
            writer.writerows(rows)
    return folder


def in_euro(entity: str, rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.get("currency") in (None, "EUR", "")] if entity != "accounts" else rows


def no_rows(_: str, rows: list[Row]) -> list[Row]:
    return []


def build(tmp_path: Path, files: Path, **variables: Any) -> Warehouse:
    warehouse = build_files(tmp_path / "work", files, AS_OF, **variables)
    assert warehouse.success, warehouse.messages()
    return warehouse


def marts(warehouse: Warehouse) -> set[str]:
    return {row["table_name"] for row in warehouse.rows(
        "select distinct table_name from information_schema.tables where table_schema = 'marts'"
    )}  # fmt: skip


def test_accounts_alone(tmp_path: Path, demo: Warehouse) -> None:
    warehouse = build(tmp_path, demo_files(tmp_path / "files", ["accounts"]))
    assert marts(warehouse) == marts(demo)
    written = {
        "input_accounting",
        "planned_relationship_clv",
        "account_clv",
        "champion_change_churn",
        "signal_backtest",
    }
    filled = {mart for mart in marts(demo) if warehouse.value(f"select count(*) from marts.{mart}")}
    assert filled <= written
    # a row each for what is asked, and no answer
    assert warehouse.value("select count(churn_rate) from marts.champion_change_churn") == 0
    assert warehouse.value("select count(lift) from marts.signal_backtest") == 0
    # every account has its row, and nothing in it
    valued = "select distinct relationship, historic_clv, residual_clv, acquisition_cost from marts.account_clv"
    assert [tuple(row.values()) for row in warehouse.rows(valued)] == [("none", 0, None, None)]
    supplied = warehouse.rows("select entity from marts.input_accounting where is_supplied")
    assert supplied == [{"entity": "accounts"}]


def test_contracts_in_one_currency_without_rates(tmp_path: Path) -> None:
    files = demo_files(tmp_path / "files", ["accounts", "subscriptions"], change=in_euro)
    warehouse = build(tmp_path, files)
    assert warehouse.value("select count(*) from marts.mrr_monthly") == 30
    assert warehouse.value("select count(*) from marts.repeat_purchases") == 0
    assert warehouse.value("select count(*) from marts.churn_reasons where reason_code <> 'unknown'") == 0


def test_a_shop_without_contracts(tmp_path: Path) -> None:
    files = demo_files(tmp_path / "files", ["accounts", "orders"], change=in_euro)
    warehouse = build(tmp_path, files, segment_dimensions=[])
    assert warehouse.value("select count(*) from marts.mrr_monthly") == 0
    assert warehouse.value("select min(relationship) || max(relationship) from marts.cohort_retention") == (
        "no_contractno_contract"
    )
    assert warehouse.value("select buyers > 0 from marts.repeat_purchases where cohort_grain = 'all' limit 1")


def test_without_people_and_history(tmp_path: Path, demo: Warehouse) -> None:
    """Entities that refer to one that is absent are not refused for it; numbers that need neither stay the same."""
    absent = ["contacts", "account_history", "account_managers", "invoices", "cancellations", "support_tickets"]
    warehouse = build(tmp_path, demo_files(tmp_path / "files", without=absent))
    counted = "select month_start, customers_end, mrr_end, mrr_churn from marts.mrr_monthly order by month_start"
    assert warehouse.rows(counted) == demo.rows(counted)
    assert warehouse.value("select count(*) from marts.churn_by_segment where segment_value = 'unknown'") > 0


def test_files_without_rows(tmp_path: Path, demo: Warehouse) -> None:
    warehouse = build(tmp_path, demo_files(tmp_path / "files", change=no_rows))
    assert marts(warehouse) == marts(demo)
    assert warehouse.value("select count(*) from marts.account_months") == 0
    assert warehouse.value("select count(*) from marts.input_accounting where is_supplied and rows_read = 0") == 25


def test_empty_flag_and_compile_on_a_fresh_database(tmp_path: Path) -> None:
    for command in (["compile"], ["build", "--empty"], ["build", "--empty"]):
        warehouse = dbt(tmp_path / command[0], *command)
        assert warehouse.success, warehouse.messages()


def test_a_missing_rate_stops_before_the_marts(tmp_path: Path) -> None:
    files = demo_files(tmp_path / "files", ["accounts", "subscriptions"])
    warehouse = build_files(tmp_path / "work", files, AS_OF)
    assert not warehouse.success
    assert "No exchange rate from " in warehouse.messages()
    assert " to EUR on 20" in warehouse.messages()
    assert "add it to fx_rates" in warehouse.messages()
    # champions are counted without money
    assert marts(warehouse) <= {"input_accounting", "planned_relationship_clv", "champion_change_churn"}


def test_the_same_rows_in_any_order_give_the_same_marts(tmp_path: Path, demo: Warehouse) -> None:
    """The demo again, from files instead of seeds, every file shuffled."""
    chance = random.Random(7)

    def shuffled(_: str, rows: list[Row]) -> list[Row]:
        return chance.sample(rows, len(rows))

    warehouse = build(tmp_path, demo_files(tmp_path / "files", change=shuffled))
    assert differences(demo.database, warehouse.database) == []


@pytest.mark.parametrize("as_of", ["2025-11-18", "2024-02-29"])
def test_an_earlier_as_of_date_inside_a_month(tmp_path: Path, demo: Warehouse, as_of: str) -> None:
    """The running month is marked, and what was complete and is never corrected later reads as it does today."""
    files = demo_files(tmp_path / "files")
    warehouse = build_files(tmp_path / "work", files, as_of)
    assert warehouse.success, warehouse.messages()
    running = warehouse.rows("select month_start::text as m from marts.mrr_monthly where not is_complete")
    assert running == [{"m": as_of[:8] + "01"}]
    open_in_the_past = f"select count(*) from marts.renewals where due_on < date '{as_of}' and outcome = 'open'"
    assert warehouse.value(open_in_the_past) == 0


OTHER_CHOICES = {
    "churn_recognition": "notice",
    "pause_is_churn": True,
    "past_due_is_mrr": False,
    "reactivation_gap_days": 30,
    "reactivation_in_net_churn": True,
    "reporting_time_zone": "Europe/Berlin",
    "segment_dimensions": ["plan"],
    "benchmark_assumed_period": "month",
    "gross_margin": 0.7,
    "revenue_basis": "invoiced",
    "retention_offer_kinds": [],
    "acquisition_cost_grain": "month",
    "schema_prefix": "dev",
}


def test_other_choices_build_and_count_differently(tmp_path: Path, demo: Warehouse) -> None:
    warehouse = build_files(tmp_path / "work", demo_files(tmp_path / "files"), AS_OF, **OTHER_CHOICES)
    assert warehouse.success, warehouse.messages()
    monthly = "select sum(customers_churned) from {}.mrr_monthly"
    assert warehouse.value(monthly.format("dev_marts")) != demo.value(monthly.format("marts"))
    assert warehouse.rows("select distinct segment_dimension as d from dev_marts.churn_by_segment order by d") == [
        {"d": "all"}, {"d": "plan"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"as_of_date": None}, "The var as_of_date is missing: give the day the build is for"),
        ({"as_of_date": "1 July"}, "The var as_of_date is '1 July'; expected a day as YYYY-MM-DD."),
        ({"as_of_date": "2026-02-30"}, "2026-02-30'; there is no such day."),
        ({"churn_recognition": "whenever"}, "expected one of: service_end, notice"),
        ({"segment_dimensions": ["shoe_size"]}, "names 'shoe_size'; known are: business_model"),
        ({"segment_dimensions": "plan"}, "must be a list"),
        ({"reporting_currency": "euro"}, "The var reporting_currency is 'euro'; expected an ISO 4217 code"),
        ({"reporting_time_zone": "Berlin"}, "Berlin"),
        ({"fx_max_age_days": "a week"}, "The var fx_max_age_days is 'a week'; expected a whole number"),
        ({"benchmark_assumed_period": "decade"}, "expected one of: month, quarter, year"),
        ({"revenue_basis": "paid"}, "The var revenue_basis is 'paid'; expected one of: accrued, invoiced."),
        ({"acquisition_cost_grain": "week"}, "expected one of: month, quarter, year"),
        ({"gross_margin": 70}, "The var gross_margin is '70'; expected a share from 0 to 1 such as 0.7."),
        ({"clv_horizon_months": 0}, "The var clv_horizon_months is '0'; expected a whole number of months from 1"),
        ({"clv_backtest_months_back": [90]}, "expected a list of whole months, each less than clv_horizon_months"),
        ({"clv_segment_dimension": "shoe_size"}, "The var clv_segment_dimension is 'shoe_size'; expected null, or"),
        ({"value_tiers": {"A": 0.5}}, "expected rising shares by tier, the last of them 1"),
        ({"retention_offer_kinds": ["gift"]}, "expected a list of kinds of offers: upsell, cross_sell"),
    ],
)  # fmt: skip
def test_a_wrong_var_gets_one_sentence(tmp_path: Path, variables: dict[str, Any], said: str) -> None:
    files = demo_files(tmp_path / "files", ["accounts"])
    given: dict[str, Any] = {"as_of": AS_OF, **{"as_of_date": AS_OF, **variables}}
    as_of = given.pop("as_of_date")
    given.pop("as_of")
    usual = {"crm_source": "files", "crm_files": str(files), "as_of_date": AS_OF}
    warehouse = build_files(tmp_path / "work", files, as_of, parsed_with=usual, **given)
    assert not warehouse.success
    assert said in warehouse.messages()


def test_a_day_from_the_environment_is_no_reason_to_read_the_project_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, work = demo_files(tmp_path / "files", ["accounts", "fx_rates"]), tmp_path / "work"
    select = ("run", "--select", "+int_fx_rates")
    month = "select strftime(max(rate_on), '%Y-%m') from intermediate.int_fx_rates"
    for day in ("2026-01-15", "2026-03-15"):
        monkeypatch.setenv("BESTAND_AS_OF_DATE", day)
        warehouse = dbt(work, *select, variables={"crm_source": "files", "crm_files": str(files)}, parse_anew=True)
        assert warehouse.success, warehouse.messages()
        assert warehouse.value(month) == day[:7]
    log = (work / "logs" / "dbt.log").read_text(encoding="utf-8")
    assert log.count("Unable to do partial parsing") == 1
    # the var is the nearer word, and the demo has a day of its own
    warehouse = build_files(work, files, "2026-02-15", command="run", select="+int_fx_rates")
    assert warehouse.value(month) == "2026-02"
