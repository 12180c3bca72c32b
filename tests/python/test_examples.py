"""The examples on real data: their mapping alone, then what the project makes of it, against independent numbers."""

from __future__ import annotations

import csv
import datetime as dt
import importlib.util
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import health_reference
import numpy as np
import pytest
import yaml
from bestand import examples
from project import ROOT, SHARED_DATA, Warehouse, build_files
from references import CRM5, CRM5_COLUMNS, assert_crm5_months, crm5_expected, decimals, needs_crm5

SOCIALNET7 = SHARED_DATA / "churnsim_socialnet7"
SCORES = SHARED_DATA / "cdnow" / "bgnbd_reference_scores.csv"
needs_socialnet7 = pytest.mark.skipif(
    not (SOCIALNET7 / "event_daily.parquet").is_file(),
    reason="ChurnSim socialnet7 is not beside the repository (../shared/data/churnsim_socialnet7): not tested",
)
needs_scores = pytest.mark.skipif(
    not SCORES.is_file(),
    reason="the CDNOW reference scores are not beside the repository (../shared/data/cdnow): not compared",
)


@dataclass
class Prepared:
    """Contract files of an example and the vars to build them with."""

    folder: Path
    variables: dict[str, Any]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows a query over the contract files gives; `{entity}` stands for the entity's file."""
        files = {path.stem: f"'{path}'" for path in self.folder.iterdir()}
        with duckdb.connect() as connection:
            return connection.execute(sql.format(**files)).fetchall()

    def build(self, work: Path) -> Warehouse:
        """The whole project built on these files, tests of the data included."""
        variables = {key: value for key, value in self.variables.items() if key not in ("crm_source", "crm_files")}
        warehouse = build_files(work, self.folder, variables.pop("as_of_date"), **variables)
        assert warehouse.success, warehouse.messages()
        return warehouse


def prepared(name: str, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp(name) / "files"
    return Prepared(folder, examples.prepare(name, folder))


@pytest.fixture(scope="session")
def crm5(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared("churnsim_crm5", tmp_path_factory)


@pytest.fixture(scope="session")
def socialnet7(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared("churnsim_socialnet7", tmp_path_factory)


@pytest.fixture(scope="session")
def telco(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared("telco", tmp_path_factory)


@pytest.fixture(scope="session")
def cdnow(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    if importlib.util.find_spec("lifetimes") is None:
        pytest.skip("the package lifetimes, which carries the CDNOW data, is not installed")
    return prepared("cdnow", tmp_path_factory)


@pytest.fixture(scope="session")
def crm5_build(crm5: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return crm5.build(tmp_path_factory.mktemp("churnsim_crm5_build"))


@pytest.fixture(scope="session")
def telco_build(telco: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return telco.build(tmp_path_factory.mktemp("telco_build"))


@pytest.fixture(scope="session")
def cdnow_build(cdnow: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return cdnow.build(tmp_path_factory.mktemp("cdnow_build"))


# --- every example ---------------------------------------------------------------------------------------------------


def contract() -> dict[str, Any]:
    """The input contract, read out of the macro that states it."""
    text = (ROOT / "macros" / "contract" / "crm_contract.sql").read_text(encoding="utf-8")
    match = re.search(r"{% set contract_yaml %}(.*){% endset %}", text, re.DOTALL)
    assert match
    return yaml.safe_load(match[1])


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("churnsim_crm5", marks=needs_crm5),
        pytest.param("churnsim_socialnet7", marks=needs_socialnet7),
        "telco",
        "cdnow",
    ],
)
def test_files_fit_the_contract(name: str, request: pytest.FixtureRequest) -> None:
    example: Prepared = request.getfixturevalue(name.removeprefix("churnsim_"))
    entities = contract()
    written = {path.stem for path in example.folder.iterdir()}
    assert written == set(examples.EXAMPLES[name].queries)
    for entity in written:
        columns = [row[0] for row in example.rows(f"describe from {{{entity}}}")]
        assert set(columns) <= set(entities[entity]["columns"]), entity
        must_be_there = {
            column
            for column, rule in entities[entity]["columns"].items()
            if rule.get("required") or (column in entities[entity]["key"] and not rule.get("nullable"))
        }
        assert must_be_there <= set(columns), entity
        keys = ", ".join(entities[entity]["key"])
        # As many different hashes as rows: no two rows share a key (quicker than grouping 8 million by it).
        rows, distinct = example.rows(f"select count(*), count(distinct hash({keys})) from {{{entity}}}")[0]
        assert rows == distinct > 0, entity


@pytest.mark.parametrize("name", list(examples.EXAMPLES))
def test_readme_gives_the_command_and_the_vars(name: str) -> None:
    text = (ROOT / "examples" / name / "README.md").read_text(encoding="utf-8")
    assert f"bestand example {name}" in text
    match = re.search(r"--vars '(\{.*?\})'", text)
    assert match, "the README shows no plain dbt command with its vars"
    shown = yaml.safe_load(match[1])
    expected = examples.build_variables(name, f".cache/examples/{name}")
    assert {key: str(value) for key, value in shown.items()} == {key: str(value) for key, value in expected.items()}


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(examples.ExampleError, match=r"needs account\.parquet, .* in .*nowhere: examples/churnsim_crm5"):
        examples.prepare("churnsim_crm5", tmp_path / "a", tmp_path / "nowhere")
    assert not (tmp_path / "a").exists()
    with pytest.raises(
        examples.ExampleError, match="no example 'telko'; there are churnsim_crm5, churnsim_socialnet7, telco, cdnow"
    ):
        examples.prepare("telko", tmp_path / "a")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(examples.ExampleError, match="pip install lifetimes"):
        examples.prepare("cdnow", tmp_path / "a")


def test_a_folder_holds_one_example(tmp_path: Path) -> None:
    examples.prepare("telco", tmp_path / "it's here")
    first = {path.name: path.read_bytes() for path in (tmp_path / "it's here").iterdir()}
    examples.prepare("telco", tmp_path / "it's here")
    assert {path.name: path.read_bytes() for path in (tmp_path / "it's here").iterdir()} == first
    (tmp_path / "it's here" / "orders.csv").write_text("order_id\n")
    with pytest.raises(examples.ExampleError, match=r"holds orders\.csv"):
        examples.prepare("telco", tmp_path / "it's here")


# --- ChurnSim crm5 ---------------------------------------------------------------------------------------------------


@needs_crm5
def test_crm5_mapping_alone_gives_the_expected_months(crm5: Prepared) -> None:
    """metrics.md sections 2 and 3, on the contract files, with no model in between."""
    sql = """
    with boundary as (
        select
            cast(month as date) as month_start,
            cast(month + interval 1 month as date) as next_start
        from range(timestamp '2022-02-01', timestamp '2024-01-01', interval 1 month) as months(month)
    ),
    state as (
        select
            b.month_start,
            s.account_id,
            bool_or(s.valid_from <= b.month_start and b.month_start < s.valid_to) as active_start,
            bool_or(s.valid_from <= b.next_start and b.next_start < s.valid_to) as active_end,
            sum(s.quantity * s.amount / s.billing_interval_months)
                filter (where s.valid_from <= b.month_start and b.month_start < s.valid_to) as mrr_start,
            coalesce(sum(s.quantity * s.amount / s.billing_interval_months)
                filter (where s.valid_from <= b.next_start and b.next_start < s.valid_to), 0) as mrr_end
        from boundary as b, {subscriptions} as s
        group by all
    )
    select
        month_start,
        count(*) as customers_start,
        count(*) filter (where not active_end) as customers_churned,
        sum(mrr_start) as mrr_start,
        coalesce(sum(mrr_start) filter (where not active_end), 0) as mrr_churn,
        coalesce(sum(mrr_start - mrr_end) filter (where active_end and mrr_end < mrr_start), 0) as mrr_contraction,
        sum(mrr_end) as mrr_retained_net
    from state
    where active_start
    group by month_start
    order by month_start
    """
    names = ["customers_start", "customers_churned", "mrr_start", "mrr_churn", "mrr_contraction", "mrr_retained_net"]
    found = {row[0]: decimals(dict(zip(names, row[1:], strict=True)), CRM5_COLUMNS.values()) for row in crm5.rows(sql)}
    assert len(found) == 23
    assert found == crm5_expected()


@needs_crm5
def test_crm5_mapping_loses_nothing(crm5: Prepared) -> None:
    source = Prepared(CRM5, {})
    assert crm5.rows("select count(*), sum(quantity) from {usage_daily}") == source.rows(
        "select count(*), sum(n) from {event_daily}"
    )
    assert crm5.rows("select count(*), sum(amount / billing_interval_months) from {subscriptions}") == source.rows(
        "select count(*), cast(sum(mrr) as double) from {subscription}"
    )
    # An account is on one plan on every day, add-ons included, and no discount is negative.
    overlapping = """
        select count(*)
        from {subscriptions} as a
        join {subscriptions} as b on a.account_id = b.account_id and a.plan <> b.plan
        where a.valid_from < b.valid_to and b.valid_from < a.valid_to
    """
    assert crm5.rows(overlapping) == [(0,)]
    assert crm5.rows("select count(*) from {subscriptions} where amount > list_amount") == [(0,)]
    assert crm5.rows("select plan, list_amount, seats from {plans} order by tier_rank") == [
        ("starter", 100, 5),
        ("basic", 200, 10),
        ("standard", 500, 25),
        ("advanced", 1000, 50),
        ("premier", 2000, 100),
    ]


@pytest.mark.slow
@needs_crm5
def test_crm5_months_equal_the_published_queries(crm5_build: Warehouse) -> None:
    assert_crm5_months(crm5_build)


@pytest.mark.slow
@needs_crm5
def test_crm5_input_is_accounted_for(crm5: Prepared, crm5_build: Warehouse) -> None:
    later = crm5.rows("select count(*) from {usage_daily} where used_on >= '2024-01-01'")[0][0]
    assert accounting(crm5_build) == {
        "accounts": (643, 643, 0),
        "features": (25, 25, 0),
        "plans": (5, 5, 0),
        "subscriptions": (16710, 16710, 0),
        "usage_daily": (8438882, 8438882 - later, later),
    }


def accounting(warehouse: Warehouse) -> dict[str, tuple[int, int, int]]:
    """Rows read, accepted and not yet known of each entity supplied; nothing may be lost in any other way."""
    rows = warehouse.rows("select * from marts.input_accounting where rows_read > 0")
    for row in rows:
        assert row["rows_quarantined"] == row["rows_superseded"] == row["rows_rejected_by_reader"] == 0, row
    return {row["entity"]: (row["rows_read"], row["rows_accepted"], row["rows_not_yet_known"]) for row in rows}


# --- ChurnSim socialnet7 ---------------------------------------------------------------------------------------------


@needs_socialnet7
def test_socialnet7_mapping_loses_nothing(socialnet7: Prepared) -> None:
    assert socialnet7.rows("select count(*), sum(amount) from {subscriptions}") == [(15086, Decimal(150860))]
    assert socialnet7.rows("select count(*) from {usage_daily}") == [(1470866,)]


# --- IBM Telco -------------------------------------------------------------------------------------------------------

TELCO_SEGMENTS = {
    ("contract_length", "month to month"): ("Contract", "Month-to-month"),
    ("contract_length", "1 year"): ("Contract", "One year"),
    ("contract_length", "2 years and longer"): ("Contract", "Two year"),
    ("plan", "dsl"): ("InternetService", "DSL"),
    ("plan", "fiber"): ("InternetService", "Fiber optic"),
    ("plan", "no internet"): ("InternetService", "No"),
}


def telco_customers() -> list[dict[str, str]]:
    with (ROOT / "examples" / "telco" / "Telco-Customer-Churn.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def kaplan_meier(customers: Iterable[dict[str, str]]) -> dict[int, dict[str, float]]:
    """Survival by tenure month with its log-log Greenwood interval, from the file and the textbook alone."""
    churned: Counter[int] = Counter()
    censored: Counter[int] = Counter()
    for customer in customers:
        (churned if customer["Churn"] == "Yes" else censored)[int(customer["tenure"])] += 1
    at_risk = sum(churned.values()) + sum(censored.values()) - churned[0] - censored[0]
    survival, variance = 1.0, 0.0
    curve = {}
    for month in range(1, max([*churned, *censored]) + 1):
        events = churned[month]
        survival *= 1 - events / at_risk
        variance += events / (at_risk * (at_risk - events)) if at_risk > events else math.inf
        low = high = survival
        if 0 < survival < 1:
            spread = math.exp(1.959963984540054 * math.sqrt(variance) / math.log(survival))
            low, high = survival ** (1 / spread), survival**spread
        curve[month] = {
            "at_risk": at_risk,
            "churned": events,
            "censored": censored[month],
            "survival": survival,
            "ci_low": low,
            "ci_high": high,
            "hazard": events / at_risk,
        }
        at_risk -= events + censored[month]
    return curve


def telco_curve(segment: tuple[str, str]) -> dict[int, dict[str, float]]:
    if segment == ("all", "all"):
        return kaplan_meier(telco_customers())
    column, value = TELCO_SEGMENTS[segment]
    return kaplan_meier(customer for customer in telco_customers() if customer[column] == value)


def assert_published_survival(curves: dict[tuple[str, str], dict[int, dict[str, Any]]]) -> None:
    """The figures of metrics.md section 5, computed there with lifelines and with SQL."""
    whole = curves["all", "all"]
    for month, survival in {1: 0.945961, 12: 0.843200, 24: 0.788736, 48: 0.708840, 72: 0.592790}.items():
        assert whole[month]["survival"] == pytest.approx(survival, abs=1e-6)
    assert whole[12]["ci_low"] == pytest.approx(0.834169, abs=1e-6)
    assert whole[12]["ci_high"] == pytest.approx(0.851783, abs=1e-6)
    monthly = curves["contract_length", "month to month"]
    assert monthly[12]["survival"] == pytest.approx(0.703097, abs=1e-6)
    assert min(month for month, row in monthly.items() if row["survival"] <= 0.5) == 35
    assert curves["contract_length", "1 year"][48]["survival"] == pytest.approx(0.916547, abs=1e-6)
    assert curves["contract_length", "2 years and longer"][72]["survival"] == pytest.approx(0.935739, abs=1e-6)


def test_telco_reference_is_the_published_one() -> None:
    assert_published_survival({segment: telco_curve(segment) for segment in [("all", "all"), *TELCO_SEGMENTS]})


def test_telco_mapping_keeps_tenure_and_churn(telco: Prepared) -> None:
    rows = telco.rows(
        """
        select account_id, cast(date_diff('month', valid_from, date '2026-01-01') as varchar), valid_to is not null,
            cast(amount as double), contract_term_months, day(valid_from)
        from {subscriptions}
        """
    )
    terms = {"Month-to-month": 1, "One year": 12, "Two year": 24}
    assert sorted(rows) == sorted(
        (
            customer["customerID"],
            customer["tenure"],
            customer["Churn"] == "Yes",
            float(customer["MonthlyCharges"]),
            terms[customer["Contract"]],
            1,
        )
        for customer in telco_customers()
    )
    assert telco.rows("select distinct valid_to from {subscriptions} where valid_to is not null") == [
        (dt.date(2026, 1, 1),)
    ]


@pytest.mark.slow
def test_telco_survival_equals_the_published_curve(telco_build: Warehouse) -> None:
    curves: dict[tuple[str, str], dict[int, dict[str, Any]]] = defaultdict(dict)
    for row in telco_build.rows("select * from marts.survival_curve where tenure_month >= 1"):
        curves[row["segment_dimension"], row["segment_value"]][row["tenure_month"]] = row
    assert_published_survival(curves)
    for segment in [("all", "all"), *TELCO_SEGMENTS]:
        expected = telco_curve(segment)
        assert set(curves[segment]) == set(expected), segment
        for month, values in expected.items():
            found = curves[segment][month]
            for column, value in values.items():
                assert found[column] == pytest.approx(value, abs=1e-9), (segment, month, column)


@pytest.mark.slow
def test_telco_last_month_is_the_file_s_churn(telco_build: Warehouse) -> None:
    """The file's flag says who left within the last month: 1,869 of the 7,032 who were there at its start."""
    rows = telco_build.rows(
        """
        select segment_dimension, segment_value, customers_at_start, customers_churned
        from marts.churn_by_segment
        where period_grain = 'month' and period_start = '2025-12-01'
        """
    )
    found = {(dimension, value): counts for dimension, value, *counts in (row.values() for row in rows)}
    expected = {("all", "all"): [7032, 1869]}
    for segment, (column, value) in TELCO_SEGMENTS.items():
        there = [c for c in telco_customers() if c[column] == value and c["tenure"] != "0"]
        expected[segment] = [len(there), sum(c["Churn"] == "Yes" for c in there)]
    assert {segment: found.get(segment) for segment in expected} == expected


@pytest.mark.slow
def test_telco_input_is_accounted_for(telco_build: Warehouse) -> None:
    assert accounting(telco_build) == {"accounts": (7043, 7043, 0), "subscriptions": (7043, 7043, 0)}


# --- CDNOW -----------------------------------------------------------------------------------------------------------

CDNOW_DAY = dt.date(1997, 10, 1)


def cdnow_purchases() -> list[tuple[int, dt.date, Decimal]]:
    """Customer of the sample, day and amount of every line of the file."""
    path = examples.find_source("cdnow") / "CDNOW_sample.txt"
    lines = [line.split() for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
    return [(int(line[1]), dt.datetime.strptime(line[2], "%Y%m%d").date(), Decimal(line[4])) for line in lines]


def cdnow_expected() -> dict[int, dict[str, Any]]:
    """Purchase days of each customer before the as-of date: how many, first, last, age."""
    days: dict[int, set[dt.date]] = defaultdict(set)
    for customer, day, _ in cdnow_purchases():
        if day < CDNOW_DAY:
            days[customer].add(day)
    return {
        customer: {
            "first_purchase_on": min(bought),
            "last_purchase_on": max(bought),
            "purchase_days": len(bought),
            "repeat_purchases": len(bought) - 1,
            "recency_days": (max(bought) - min(bought)).days,
            "age_days": (CDNOW_DAY - dt.timedelta(days=1) - min(bought)).days,
        }
        for customer, bought in days.items()
    }


@needs_scores
def test_cdnow_reference_is_the_published_one(cdnow: Prepared) -> None:
    expected = cdnow_expected()
    with SCORES.open(newline="", encoding="utf-8") as file:
        scores = {int(row["ID"]): row for row in csv.DictReader(file)}
    assert set(scores) == set(expected)
    for customer, row in expected.items():
        assert int(scores[customer]["frequency"]) == row["repeat_purchases"], customer
        # The reference rounds to hundredths of a week.
        assert float(scores[customer]["recency"]) == pytest.approx(row["recency_days"] / 7, abs=0.00501), customer
        assert float(scores[customer]["T"]) == pytest.approx(row["age_days"] / 7, abs=0.00501), customer


def test_cdnow_mapping_keeps_every_line(cdnow: Prepared) -> None:
    lines = cdnow_purchases()
    assert len(lines) == 6919
    found = cdnow.rows("select account_id, cast(ordered_at as date), cast(amount as varchar) from {orders}")
    assert sorted((int(customer), day, Decimal(amount)) for customer, day, amount in found) == sorted(lines)
    assert cdnow.rows("select count(distinct account_id) from {accounts}") == [(2357,)]


def test_cdnow_counts_every_customer_exactly(cdnow_build: Warehouse) -> None:
    expected = cdnow_expected()
    columns = ", ".join(next(iter(expected.values())))
    rows = cdnow_build.rows(f"select account_id, {columns} from intermediate.int_customer_purchases")
    assert len(rows) == 2357
    assert {int(row.pop("account_id")): row for row in rows} == expected


def test_cdnow_input_is_accounted_for(cdnow_build: Warehouse) -> None:
    lines = cdnow_purchases()
    known = sum(day < CDNOW_DAY for _, day, _ in lines)
    assert accounting(cdnow_build) == {"accounts": (2357, 2357, 0), "orders": (6919, known, 6919 - known)}


# --- the health score on two simulated bases -------------------------------------------------------------------------


@pytest.fixture(scope="session")
def socialnet7_build(socialnet7: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """ChurnSim socialnet7 as far as the score needs it."""
    variables = {key: value for key, value in socialnet7.variables.items() if key not in ("crm_source", "crm_files")}
    work = tmp_path_factory.mktemp("churnsim_socialnet7_build")
    warehouse = build_files(
        work, socialnet7.folder, variables.pop("as_of_date"), select="+health_backtest", **variables
    )
    assert warehouse.success, warehouse.messages()
    return warehouse


def assert_not_behind(comparison: health_reference.Comparison) -> None:
    """Over draws of accounts, the better of the two references is not surely better."""
    differences = comparison.behind(comparison.better_reference())
    assert np.quantile(differences, 0.975) >= 0, (comparison.auc("score"), comparison.better_reference(), differences)


@needs_socialnet7
def test_the_score_on_socialnet7_is_as_good_as_the_reference(socialnet7_build: Warehouse) -> None:
    """A base whose churn follows behaviour: the very observations of the published reference, and its AUC."""
    comparison = health_reference.compare(socialnet7_build, dt.date(2020, 8, 1), dt.date(2020, 11, 1))
    assert (len(comparison.churned), comparison.churned.sum()) == (6752, 111)
    assert comparison.auc("score") > 0.70  # published: .723 [.663, .776]
    assert comparison.brier("score") < comparison.base_brier()
    assert comparison.lift("score") > 4
    assert_not_behind(comparison)


@needs_crm5
def test_the_score_on_crm5_is_not_behind_the_reference(crm5_build: Warehouse) -> None:
    """A base that mostly churns at random: barely better than the base rate, as it should be."""
    comparison = health_reference.compare(crm5_build, dt.date(2023, 5, 1), dt.date(2023, 9, 1))
    assert 0.519 < comparison.auc("score") < 0.706  # the interval of the published .618
    assert comparison.brier("score") < 1.03 * comparison.base_brier()
    assert_not_behind(comparison)
