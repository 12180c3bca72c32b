"""The audit lets good marts through, whatever was published before, and refuses broken ones, saying why."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from bestand.audit import AuditError, AuditReport, Finding, audit, limits, profiles
from bestand.audit.limits import Limit
from bestand.audit.spec import Bound, Each, Mart, Measure, Shares
from bestand.audit.suites import FOLDERS, SUITES
from project import ROOT, Warehouse, dbt

AS_OF = dt.date(2026, 7, 1)
MONTHS = ("mrr_monthly", "account_months", "mrr_movements")
pytestmark = pytest.mark.slow


def copy_marts(database: Path, to: Path) -> Path:
    """The marts of a database in a file of their own, as they would be published."""
    with duckdb.connect(str(to)) as connection:
        connection.execute(f"attach '{database}' as source (read_only)")
        connection.execute("create schema marts")
        for mart in SUITES:
            connection.execute(f"create table marts.{mart} as from source.marts.{mart}")
    return to


@pytest.fixture(scope="module")
def published(demo: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_marts(demo.database, tmp_path_factory.mktemp("audit") / "published.duckdb")


@pytest.fixture(scope="module")
def a_month_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo as it was published a month before."""
    work = tmp_path_factory.mktemp("audit_before")
    built = dbt(work, "build", "--exclude-resource-type", "test", "unit_test", variables={"as_of_date": "2026-06-01"})
    if not built.success:
        pytest.fail(built.messages())
    return copy_marts(built.database, work / "published.duckdb")


@dataclass
class Bench:
    """Changes a copy of the published marts and audits it."""

    published: Path
    folder: Path

    def changed(self, *sql: str, name: str = "candidate") -> Path:
        path = self.folder / f"{name}.duckdb"
        shutil.copyfile(self.published, path)
        with duckdb.connect(str(path)) as connection:
            for statement in sql:
                connection.execute(statement)
        return path

    def audit(
        self, candidate: Path, previous: Path | None, marts: Collection[str] = tuple(SUITES), as_of: dt.date = AS_OF
    ) -> AuditReport:
        return audit(candidate, previous, self.folder / "site", as_of=as_of, marts=marts)


@pytest.fixture
def bench(published: Path, tmp_path: Path) -> Bench:
    return Bench(published, tmp_path)


def told(findings: Iterable[Finding]) -> str:
    return "\n".join(finding.message for finding in findings)


# --- what is good passes ---------------------------------------------------------------------------------------------


def test_the_first_publish_passes_and_says_what_it_was_not_compared_with(bench: Bench) -> None:
    report = bench.audit(bench.published, None)
    assert report.ok and not report.warnings, told([*report.failures, *report.warnings])
    compared = [one for one in report.results if one.expectation.startswith("expect_change")]
    assert compared and {one.observed for one in compared} == {"no previous publish"}
    assert all(one.success for one in compared)
    assert {one.mart for one in report.results} == set(SUITES)


def test_the_same_publish_again_passes(bench: Bench) -> None:
    report = bench.audit(bench.published, bench.published)
    assert report.ok and not report.warnings, told([*report.failures, *report.warnings])
    assert not [one for one in report.results if one.observed == "no previous publish"]


def test_a_month_later_passes(bench: Bench, a_month_before: Path) -> None:
    report = bench.audit(bench.published, a_month_before)
    assert report.ok and not report.warnings, told([*report.failures, *report.warnings])


def test_a_month_earlier_passes(bench: Bench, a_month_before: Path) -> None:
    report = bench.audit(a_month_before, bench.published, as_of=dt.date(2026, 6, 1))
    assert report.ok and not report.warnings, told([*report.failures, *report.warnings])


def test_one_new_customer_passes(bench: Bench) -> None:
    (account, mrr) = duckdb.connect(str(bench.published), read_only=True).execute(
        """select account_id, mrr_end from marts.account_months
        where movement = 'new' and month_start = date '2026-06-01' order by mrr_end desc limit 1"""
    ).fetchone() or pytest.fail("the demo has no new customer in June 2026")
    tables = [mart for mart, suite in SUITES.items() if "account_id" in (*suite.key, *suite.needed)]
    before = bench.changed(
        *(f"delete from marts.{mart} where account_id = '{account}'" for mart in tables),
        f"""update marts.mrr_monthly set mrr_end = mrr_end - {mrr}, mrr_new = mrr_new - {mrr},
            customers_end = customers_end - 1, customers_new = customers_new - 1
        where month_start = date '2026-06-01'""",
        name="before",
    )
    report = bench.audit(bench.published, before)
    assert report.ok, told(report.failures)


def test_an_afternoon_of_answering_alerts_passes(bench: Bench) -> None:
    before = bench.changed("update marts.alerts set status = 'open' where status in ('acknowledged', 'muted')")
    after = bench.changed(
        """update marts.alerts set status = 'acknowledged', priority = null, is_in_focus = false, is_overdue = false
        where status = 'open' and priority > 10""",
        name="after",
    )
    assert bench.audit(after, before, ["alerts", "account_signals"]).ok


def test_a_selection_is_audited_alone(bench: Bench) -> None:
    report = bench.audit(bench.published, None, ["mrr_monthly", "account_months"])
    assert report.ok, told(report.failures)
    assert {one.mart for one in report.results} == {"mrr_monthly", "account_months"}
    assert sorted(path.stem for path in report.index.parent.glob("*.html")) == [
        "account_months", "index", "mrr_monthly",
    ]  # fmt: skip


def test_what_is_old_only_warns(bench: Bench) -> None:
    old = bench.changed("update marts.input_accounting set newest_recorded_at = newest_recorded_at - interval 20 day")
    report = bench.audit(old, None, ["input_accounting"])
    assert report.ok
    assert "days from the newest row of the input to the as-of date is 21 (allowed -2 to 8)" in told(report.warnings)


# --- what is broken is refused ---------------------------------------------------------------------------------------

# Too few rows to tell by their number; what they are held against tells.
HELD_AGAINST = {
    "planned_relationship_clv": None,  # one row, or none where nothing is planned
    "zombie_accounts": ["account_signals"],
    "account_health": ["mrr_monthly"],
    "health_calibration": ["health_backtest"],
    "clv_model_fits": [],
    "signal_backtest": ["account_signals"],
    "clv_by_business_model": ["account_clv"],
    "clv_by_account_manager": ["account_clv"],
}


@pytest.mark.parametrize("mart", [mart for mart in SUITES if HELD_AGAINST.get(mart, []) is not None])
def test_half_a_mart_is_refused(bench: Bench, mart: str) -> None:
    # always the same half, in whatever order a build has written the rows
    candidate = bench.changed(
        f"""delete from marts.{mart} where rowid in (
            select id from (
                select rowid as id, row_number() over (order by md5(cast(one as varchar))) as n from marts.{mart} as one
            ) where n % 2 = 1
        )"""
    )
    report = bench.audit(candidate, bench.published, [mart, *(HELD_AGAINST.get(mart) or [])])
    assert mart in {one.mart for one in report.failures}, told(report.warnings)


def test_rows_that_are_there_twice_and_nulls_are_refused_in_every_mart(bench: Bench) -> None:
    spoil = []
    for name, mart in SUITES.items():
        spoil.append(f"insert into marts.{name} from marts.{name} limit 1")
        if mart.needed:
            spoil.append(f"update marts.{name} set {mart.needed[-1]} = null where rowid = 0")
    report = bench.audit(bench.changed(*spoil), None)
    twice = {one.mart for one in report.failures if "unique" in one.expectation}
    assert twice == set(SUITES)
    empty = {one.mart for one in report.failures if "null" in one.expectation}
    assert empty == {name for name, mart in SUITES.items() if mart.needed}


MONEY = "mrr_start, mrr_new, mrr_expansion, mrr_reactivation, mrr_contraction, mrr_churn, mrr_fx, mrr_end, arr_end"


@dataclass(frozen=True)
class Broken:
    """A corruption, the marts to audit, and what the refusal must say."""

    name: str
    sql: tuple[str, ...]
    marts: tuple[str, ...]
    mart: str
    says: str
    compared: bool = False


def by(factor: str, columns: str) -> str:
    return ", ".join(f"{column.strip()} = {column.strip()} * {factor}" for column in columns.split(","))


CORRUPTIONS = (
    Broken(
        "scaled", (f"update marts.mrr_monthly set {by('1.5', MONEY)}",), ("mrr_monthly",), "mrr_monthly",
        r"sum of mrr_end of closed periods changed by \+50 % against the last publish, from [\d,.]+ to [\d,.]+ "
        r"\(allowed -4\.\d+ to \+4\.\d+ %\)",
        compared=True,
    ),
    Broken(
        "scaled without a last publish", (f"update marts.mrr_monthly set {by('1.5', MONEY)}",), MONTHS,
        "account_months", r"accounts of a month add up to mrr_monthly; off by [\d,.]+ at 2026-06-01",
    ),
    Broken(
        "a single month", ("update marts.mrr_monthly set mrr_end = mrr_end * 0.7 where month_start = '2026-03-01'",),
        ("mrr_monthly",), "mrr_monthly", r"mrr_end: 2026-03-01 changed by -30 % against the last publish",
        compared=True,
    ),
    Broken(
        "a month back", ("update marts.mrr_monthly set month_start = month_start - interval 1 month",),
        ("mrr_monthly",), "mrr_monthly", r"newest month is that of the as-of date; off by 31 days at 2026-05-01",
    ),
    Broken(
        "a missing month", ("delete from marts.mrr_monthly where month_start = '2025-05-01'",),
        ("mrr_monthly",), "mrr_monthly", r"no month is missing or there twice; off by 1 at 2025-04-01",
    ),
    Broken(
        "a cent", ("update marts.mrr_monthly set mrr_new = mrr_new + 0.01 where month_start = '2025-03-01'",),
        ("mrr_monthly",), "mrr_monthly", r"is mrr_end; off by 0\.01 at 2025-03-01 \(allowed at most 0\.00005\)",
    ),
    Broken(
        "negative", ("update marts.account_months set mrr_end = -1 where rowid < 3",), ("account_months",),
        "account_months", r"mrr_end: 3 of [\d,]+ rows are below 0, such as -1 \(allowed at least 0\)",
    ),
    Broken(
        "a probability", ("update marts.account_health set churn_probability = 1.2 where band = 'red'",),
        ("account_health",), "account_health", r"churn_probability: 2 of 253 rows are outside 0 to 1, such as 1\.2",
    ),
    Broken(
        "not a number", ("update marts.account_health set churn_probability = 'nan' where rowid = 1",),
        ("account_health",), "account_health", r"churn_probability: 1 of 253 rows is outside 0 to 1",
    ),
    Broken(
        "scores of broken labels", ("update marts.account_health set churn_probability = 0.9 where band <> 'leaving'",),
        ("account_health",), "account_health",
        r"mean churn probability of those who are scored is 0\.9 \(allowed at most 0\.75\)",
    ),
    Broken(
        "bands swapped",
        ("""update marts.account_health
            set band = case band when 'green' then 'red' when 'red' then 'green' else band end""",),
        ("account_health",), "account_health", r"shares of band: (green|red) changed by [+-]85\.4 points",
        compared=True,
    ),
    Broken(
        "segments swapped",
        ("""update marts.account_months set company_size =
            case company_size when 'small' then 'mid' when 'mid' then 'small' else company_size end""",),
        ("account_months",), "account_months", 
        r"share of closed rows with another value: company_size \d\d(\.\d)? % \(allowed at most 10\.9\d* %\)",
        compared=True,
    ),
    Broken(
        "a renamed segment", ("update marts.account_months set region = 'Dach' where region = 'DACH'",),
        ("account_months",), "account_months", r"shares of region: DACH changed by -\d+(\.\d+)? points .* to 0 %",
        compared=True,
    ),
    Broken(
        "a segment gone",
        ("delete from marts.churn_by_segment where segment_dimension = 'company_size' and segment_value = 'mid'",),
        ("churn_by_segment",), "churn_by_segment",
        r"segments of every dimension add up to the whole \(.*\); off by [\d,.]+ at \w+ [\d-]+ company_size",
    ),
    Broken(
        "a dimension gone", ("delete from marts.churn_by_segment where segment_dimension = 'industry'",),
        ("churn_by_segment",), "churn_by_segment", r"shares of segment_dimension: industry changed by", compared=True,
    ),
    Broken(
        "the wrong date", ("update marts.account_signals set as_of_date = as_of_date - 1",), ("account_signals",),
        "account_signals", r"every row is of the as-of date; off by 1 days at 2026-06-30",
    ),
    Broken(
        "empty", ("delete from marts.account_clv",), ("account_clv", "input_accounting"), "account_clv",
        r"has 0 rows \(expected at least 1\)",
    ),
    Broken(
        "empty among its like", ("delete from marts.mrr_movements",), MONTHS, "mrr_movements", r"has 0 rows",
    ),
    Broken(
        "not there", ("drop table marts.alerts",), ("alerts", "account_signals"), "alerts",
        r"was to be built and is not among the marts",
    ),
    Broken(
        "a column gone", ("alter table marts.account_clv drop column value_tier",), ("account_clv",), "account_clv",
        r"value_tier: the column is missing",
    ),
    Broken(
        "a column emptied", ("update marts.account_clv set residual_clv = null, total_clv = null",),
        ("account_clv",), "account_clv", r"shares of nulls: residual_clv changed by \+\d+(\.\d+)? points",
        compared=True,
    ),
    Broken(
        "another currency", ("update marts.account_clv set currency = 'USD'",), ("account_clv",), "account_clv",
        r"shares of currency: EUR changed by -100 points", compared=True,
    ),
    Broken(
        "two currencies", ("update marts.account_clv set currency = 'USD' where rowid = 7",), ("account_clv",),
        "account_clv", r"all amounts are in one currency; off by 1 at",
    ),
    Broken(
        "an input cut off",
        ("""update marts.input_accounting set rows_read = rows_read // 2, rows_accepted = rows_accepted // 2,
            rows_quarantined = 0, rows_superseded = 0,
            rows_not_yet_known = rows_read // 2 - rows_accepted // 2 where entity = 'usage_daily'""",),
        ("input_accounting",), "input_accounting",
        r"rows_read: usage_daily changed by -50 % against the last publish, from 33,145 to 16,572 "
        r"\(allowed at least -41",
        compared=True,
    ),
    Broken(
        "rows that went nowhere",
        ("update marts.input_accounting set rows_accepted = rows_accepted - 5 where entity = 'invoices'",),
        ("input_accounting",), "input_accounting", r"are those read; off by 5 at invoices",
    ),
    Broken(
        "an interval turned round", ("update marts.mrr_monthly set customer_churn_ci_low = 0.9 where rowid = 20",),
        ("mrr_monthly",), "mrr_monthly", r"customer_churn_rate: 1 of 30 rows is below customer_churn_ci_low, such as",
    ),
    Broken(
        "an unknown status", ("update marts.alerts set status = 'closed' where rowid = 0",), ("alerts",), "alerts",
        r"status: 1 of \d+ rows is none of them, such as closed",
    ),
    Broken(
        "a running alert of a quiet signal",
        ("update marts.account_signals set is_fired = false where signal = 'payment_failed'",),
        ("alerts", "account_signals"), "alerts",
        r"every running alert is a signal that is fired in account_signals; off by \d+ at payment_failed",
    ),
    Broken(
        "a curve that rises", ("update marts.survival_curve set survival = 1 where tenure_month = 14",),
        ("survival_curve",), "survival_curve", r"survival never rises; off by .* at \w+ .* month 14",
    ),
    Broken(
        "tiers that do not add up",
        ("update marts.clv_by_segment set total_clv = total_clv * 1.01 where segment_dimension = 'value_tier'",),
        ("clv_by_segment", "account_clv"), "clv_by_segment",
        r"the value tiers are those of account_clv; off by 0\.0099",
    ),
    Broken(
        "a score that is not explained",
        ("update marts.health_contributions set contribution = contribution + 0.1 where feature_group = 'usage'",),
        ("health_contributions", "account_health"), "health_contributions", r"each group add up .* at usage",
    ),
    Broken(
        "history judged anew", ("update marts.health_history set churn_probability = 0.5 * churn_probability",),
        ("health_history",), "health_history", r"mean churn_probability of closed periods changed by -50 %",
        compared=True,
    ),
)  # fmt: skip


@pytest.mark.parametrize("broken", CORRUPTIONS, ids=[one.name for one in CORRUPTIONS])
def test_what_is_broken_is_refused(bench: Bench, broken: Broken) -> None:
    candidate = bench.changed(*broken.sql)
    report = bench.audit(candidate, bench.published if broken.compared else None, broken.marts)
    assert not report.ok
    pattern = rf"^{broken.mart}(\.|: ).*{broken.says}"
    assert re.search(pattern, told(report.failures), re.MULTILINE), told(report.failures)
    page = report.index.read_text(encoding="utf-8")
    assert "Refused" in page and broken.mart in page


def test_a_corruption_within_the_limits_of_a_small_base_is_let_through(bench: Bench) -> None:
    """What was recorded late for three customers is no reason to keep the old publish."""
    candidate = bench.changed(
        """update marts.mrr_monthly set mrr_end = mrr_end * 1.01, arr_end = 12 * mrr_end * 1.01,
            mrr_new = mrr_new + mrr_end * 0.01 where month_start = '2026-06-01'"""
    )
    report = bench.audit(candidate, bench.published, ["mrr_monthly"])
    assert not [one for one in report.failures if one.expectation.startswith(("expect_change", "expect_parts"))]


# --- the report and its pages ----------------------------------------------------------------------------------------


def test_a_finding_says_what_was_seen_and_what_is_allowed(bench: Bench) -> None:
    candidate = bench.changed(f"update marts.mrr_monthly set {by('0.4', MONEY)}")
    report = bench.audit(candidate, bench.published, ["mrr_monthly"])
    (newest,) = [one for one in report.failures if one.column == "newest mrr_end"]
    assert newest.mart == "mrr_monthly"
    assert newest.expectation == "expect_change_to_be_between"
    assert newest.severity == "error" and not newest.success and newest.seconds > 0
    assert newest.observed == "-60 %, from 201,258.1 to 80,503.2"
    assert newest.limits == "-52.6 to +72.6 %"
    assert newest.message == (
        "mrr_monthly: newest mrr_end changed by -60 % against the last publish, from 201,258.1 to 80,503.2 "
        "(allowed -52.6 to +72.6 %)."
    )
    page = (report.index.parent / "mrr_monthly.html").read_text(encoding="utf-8")
    assert "fa-times text-danger" in page and "fa-exclamation-triangle text-warning" in page
    # what is refused is not warned of as well
    assert not {(one.mart, one.column) for one in report.warnings} & {(one.mart, one.column) for one in report.failures}


def test_the_pages_open_offline_and_name_no_account(
    bench: Bench, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = bench.folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("HOME", str(elsewhere))
    candidate = bench.changed(
        "insert into marts.account_health from marts.account_health limit 5",
        "insert into marts.account_months from marts.account_months limit 5",
        "update marts.alerts set owner = null, alert_id = account_id where rowid < 5",
    )
    report = bench.audit(candidate, bench.published)
    assert not report.ok and report.index == bench.folder / "site" / "index.html"
    assert capfd.readouterr() == ("", "")
    assert not list(elsewhere.rglob("*"))
    pages = sorted(report.index.parent.glob("*.html"))
    assert {page.stem for page in pages} == {"index", *SUITES}
    with duckdb.connect(str(candidate), read_only=True) as connection:
        keys = {row[0] for row in connection.execute("select account_id from marts.account_clv").fetchall()}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "//" not in text.replace("<!--", ""), page
        assert "<script" not in text, page
        for link in re.findall(r'(?:href|src)="([^"#]+)', text):
            assert (page.parent / link).is_file(), f"{page.name} links to {link}"
        assert not keys & set(re.findall(r"\w+", text)), page
        assert "rendering exception" not in text.lower(), page
    assert not keys & set(re.findall(r"\w+", told(report.results)))


def test_what_cannot_be_opened_is_one_sentence(bench: Bench) -> None:
    with pytest.raises(AuditError, match=r"^There is no .*nowhere\.duckdb to audit\.$"):
        bench.audit(bench.folder / "nowhere.duckdb", None)
    torn = bench.folder / "torn.duckdb"
    torn.write_bytes(b"not a database" * 1000)
    with pytest.raises(AuditError, match=r"^The last publish \(.*\) cannot be opened: [^\n]+$"):
        bench.audit(bench.published, torn)


def test_a_publish_of_an_older_version_is_compared_where_it_can_be(bench: Bench) -> None:
    before = bench.changed(
        "alter table marts.mrr_monthly drop column mrr_new",
        "alter table marts.account_health drop column data_coverage",
        "drop table marts.account_months",
        "alter table marts.mrr_monthly add column retired integer",
        name="before",
    )
    report = bench.audit(bench.published, before, [*MONTHS, "account_health"])
    assert report.ok, told(report.failures)
    assert "mrr_monthly: columns that the last publish had are gone: retired" in told(report.warnings)
    why = {(one.mart, one.column): one.observed for one in report.results}
    assert why["mrr_monthly", "sum of mrr_new of closed periods"] == "the last publish does not have its columns"
    assert why["mrr_monthly", "sum of mrr_end of closed periods"].startswith("0 %")
    assert why["account_months", "rows of closed periods"] == "no previous publish of this mart"


# --- suites and limits -----------------------------------------------------------------------------------------------


def test_every_mart_has_a_suite_in_its_folder() -> None:
    models = {(path.parent.name, path.stem) for path in (ROOT / "models" / "marts").glob("*/*.sql")}
    assert {(folder, mart.name) for folder, marts in FOLDERS.items() for mart in marts} == models


def test_every_limit_is_used_and_has_a_reason() -> None:
    def named(mart: Mart) -> Iterable[str]:
        for part in (*mart.measures, *mart.drifts, *mart.each, *mart.bounds):
            assert isinstance(part, Measure | Shares | Each | Bound)
            yield part.limit

    used = {name for mart in SUITES.values() for name in named(mart)}
    used |= {"restated_rows", "restated_values", "state_rows", "null_share", "gone", "new"}
    assert used == set(limits.limits())
    for name, limit in limits.limits().items():
        assert limit.reason.endswith("."), name
        assert limit.error or limit.warn, name
        if limit.error and limit.warn:
            error, warn = limit.band("error"), limit.band("warn")
            assert error and warn
            for outer, inner in ((error.low, warn.low), (warn.high, error.high)):
                assert outer is None or inner is None or outer <= inner, f"{name} warns later than it refuses"


@pytest.mark.parametrize(
    ("limit", "months", "base", "low", "high"),
    [
        (Limit("percent", "x", error=(-40, 60), monthly=True), 0, None, -40, 60),  # the same day
        (Limit("percent", "x", error=(-40, 60), monthly=True), 0.5, None, -40, 60),
        (Limit("percent", "x", error=(-40, 60), monthly=True), 2, None, -64, 156),
        (Limit("percent", "x", error=(-40, 60), monthly=True), -1, None, -37.5, 66.6667),  # 1 / 1.6, 1 / 0.6
        (Limit("percent", "x", error=(-40, 60), monthly=True), -2, None, -60.9375, 177.7778),
        (Limit("points", "x", error=(-5, 10), monthly=True), 3, None, -15, 30),
        (Limit("points", "x", error=(-5, 10), monthly=True), -3, None, -30, 15),
        (Limit("percent", "x", error=(-3, 3), slack=3), 12, 100, -6, 6),  # what is over has no months
        (Limit("percent", "x", error=(-3, 3), slack_root=2), 1, 400, -13, 13),
        (Limit("percent", "x", error=(-40, None), slack_root=2), 1, 4, -100, None),  # no less than all
        (Limit("value", "x", error=(None, 8)), 1, None, None, 8),
    ],
)
def test_bands(limit: Limit, months: float, base: float | None, low: float | None, high: float | None) -> None:
    band = limit.band("error", months, base)
    assert band is not None
    assert (band.low, band.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert limit.band("warn", months, base) is None


def test_a_large_mart_is_looked_at_in_part_with_its_keys_whole(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, published: Path
) -> None:
    monkeypatch.setattr(profiles, "MOST_ROWS", 2_000)
    candidate = bench.changed("insert into marts.signal_history from marts.signal_history")
    seen = []
    for _ in range(2):
        with profiles.opened(candidate, None, AS_OF, ["signal_history"], []) as profile:
            rows = profile.rows("signal_history")
            frame, drawn = profile.frame(SUITES["signal_history"], list(SUITES["signal_history"].key), rows)
        assert drawn and 1_500 < len(frame) <= 2_000
        assert (frame.value_counts() == 2).all()
        seen.append(frame.sort_values(list(frame.columns)).reset_index(drop=True))
    assert seen[0].equals(seen[1])
    report = bench.audit(candidate, None, ["signal_history"])
    assert "not unique" in told(report.failures)
    page = (report.index.parent / "signal_history.html").read_text(encoding="utf-8")
    assert re.search(r"Rows are looked at one by one in 1,\d+ of 246,922 rows, drawn by the hash of the key", page)
