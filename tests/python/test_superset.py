"""The dashboard in a real Superset, looked at in a real browser: every chart is drawn and says what the marts say."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from bestand import bi
from bestand.bi_browser import Look, looking
from bestand.refresh import candidate, state, swap
from bestand.refresh.layout import Layout, new_build_id
from project import ROOT, Warehouse

PICTURES = ROOT / ".cache" / "screenshots"
TABS = ["Overview", "Revenue", "Retention", "Churn", "Customer value", "Early warning", "Data and refresh"]

LAST_MONTH = """
select customers_end, mrr_end, nrr, customer_churn_rate
from marts.mrr_monthly
where is_complete
order by month_start desc
limit 1
"""


def publish(layout: Layout, working: Path, manifest: dict[str, Any]) -> None:
    """Publishes all marts of a working database with the steps of a refresh, without dbt and without the audit."""
    build_id = new_build_id()
    marts = candidate.marts_of(manifest)
    build = candidate.Build(
        build_id=build_id, as_of_date="2026-07-01", marts=tuple(mart.name for mart in marts), schema="marts",
        conformed="conformed", staging="staging", quarantine="quarantine", reporting_currency="EUR",
        crm_source="seeds", project_version="0", is_full=False,
    )  # fmt: skip
    run = state.Run(build_id, "refresh", state.utc_now(), rows_read=1000, tests_failed=0, tests_warned=1)
    tests = [
        {"build_id": build_id, "tool": tool, "test": f"not_null_{mart.name}", "mart": mart.name, "column_name": None,
         "severity": "error", "status": "pass", "failures": 0, "message": None}
        for tool in ("dbt", "great_expectations") for mart in marts
    ]  # fmt: skip
    tests[0] |= {"severity": "warn", "status": "warn", "failures": 3, "message": "3 rows are older than a week"}
    file = layout.making(build_id) / "marts.duckdb"
    file.parent.mkdir()
    with state.memory(layout.memory) as memory:
        state.write_run(memory, run)
    run.finish("published", 0)
    candidate.write_marts(working, file, build, marts)
    candidate.write_operations(file, layout.memory, build, run, candidate.Details(tests=tests), None)
    candidate.write_parquet(file, file.parent / "parquet")
    candidate.write_manifest(file.parent)
    swap.keep(layout, build_id)
    swap.prepare(layout, build_id)
    swap.swap(layout)


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory, demo: Warehouse, manifest: dict[str, Any]) -> Layout:
    layout = Layout(tmp_path_factory.mktemp("published"))
    layout.prepare()
    publish(layout, demo.database, manifest)
    return layout


@dataclass
class Served:
    """A running Superset."""

    url: str
    password: str
    home: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, layout: Layout) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("superset")
    password = secrets.token_urlsafe(12)
    try:
        bi.prepare(home, layout.current, password)
        with bi.serving(home, bi.free_port()) as url:
            yield Served(url, password, home)
    except bi.NotReady as missing:
        pytest.fail(str(missing))


@pytest.fixture(scope="module")
def look(served: Served) -> Iterator[Look]:
    try:
        with looking(served.url, bi.USER, served.password) as look:
            yield look
    except bi.NotReady as missing:
        pytest.fail(str(missing))


def marts(layout: Layout, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(layout.current), read_only=True) as connection:
        return connection.execute(sql).fetchall()


# --- the assets by themselves ---


def asset_files(kind: str) -> dict[str, dict[str, Any]]:
    files = sorted((bi.ASSETS / kind).rglob("*.yaml"))
    return {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in files}


def test_every_chart_is_on_the_dashboard_and_has_its_dataset() -> None:
    charts, datasets = asset_files("charts"), asset_files("datasets")
    (dashboard,) = asset_files("dashboards").values()
    placed = [
        one["meta"]["uuid"]
        for one in dashboard["position"].values()
        if isinstance(one, dict) and one.get("type") == "CHART"
    ]
    assert sorted(placed) == sorted(chart["uuid"] for chart in charts.values())
    assert {chart["dataset_uuid"] for chart in charts.values()} == {dataset["uuid"] for dataset in datasets.values()}
    targets = {
        target["datasetUuid"]
        for one in dashboard["metadata"]["native_filter_configuration"]
        for target in one["targets"]
    }
    assert targets <= {dataset["uuid"] for dataset in datasets.values()}


def test_no_label_of_a_chart_is_also_the_heading_of_a_column() -> None:
    """Superset would take the one for the other, and colour the series by the column's name."""
    headings = {
        dataset["uuid"]: {column.get("verbose_name") for column in dataset["columns"]}
        for dataset in asset_files("datasets").values()
    }
    for name, chart in asset_files("charts").items():
        params = chart["params"]
        if chart["viz_type"].startswith(("echarts", "mixed")):
            labels = {one["label"] for one in (*params["metrics"], *params.get("metrics_b", ()))}
            assert not labels & headings[chart["dataset_uuid"]], name


def test_assets_name_no_machine_and_are_filled_in_at_import(layout: Layout) -> None:
    (database,) = asset_files("databases").values()
    assert database["sqlalchemy_uri"] == "duckdb:///published/marts.duckdb"
    filled = yaml.safe_load(bi.assets(layout.current)["databases/Bestand.yaml"])
    assert filled["sqlalchemy_uri"] == f"duckdb:///{layout.current}"
    assert filled["extra"]["engine_params"]["connect_args"]["read_only"] is True
    for file in bi.ASSETS.rglob("*.yaml"):
        assert not re.search(r"/(home|root|tmp|work|Users)/", file.read_text(encoding="utf-8")), file


def test_amounts_are_in_the_reporting_currency(layout: Layout, tmp_path: Path) -> None:
    other = tmp_path / "marts.duckdb"
    shutil.copy(layout.current, other)
    with duckdb.connect(str(other)) as connection:
        connection.execute("update operations.publish_manifest set reporting_currency = 'CHF'")
    filled = bi.assets(other)
    assert "symbol: CHF" in filled["charts/mrr.yaml"] and "symbol: EUR" not in "".join(filled.values())


def test_datasets_hold_the_columns_they_promise(layout: Layout) -> None:
    with duckdb.connect(str(layout.current), read_only=True) as connection:
        for name, dataset in asset_files("datasets").items():
            cursor = connection.execute(dataset["sql"])
            assert [one[0] for one in cursor.description] == [one["column_name"] for one in dataset["columns"]], name
            assert cursor.fetchone() is not None, f"{name} is empty on the demo"


def test_a_missing_publish_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(bi.NotReady, match="run bestand refresh"):
        bi.assets(tmp_path / "marts.duckdb")
    text = tmp_path / "text.duckdb"
    text.write_text("this is no database, whatever its name says" * 100)
    with pytest.raises(bi.NotReady, match="is not a publish of Bestand"):
        bi.assets(text)
    result = subprocess.run(
        [sys.executable, "-m", "bestand.bi", "bundle", str(tmp_path / "x.zip")],
        env=os.environ | {"BESTAND_PUBLISH_DIR": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 2 and "Traceback" not in result.stderr and "bestand refresh" in result.stderr


def test_bundle_is_what_supersets_own_import_takes(layout: Layout, tmp_path: Path) -> None:
    bi.bundle(layout.current, tmp_path / "dashboard.zip")
    with zipfile.ZipFile(tmp_path / "dashboard.zip") as archive:
        names = archive.namelist()
        metadata = yaml.safe_load(archive.read("bestand/metadata.yaml"))
    assert metadata["type"] == "Dashboard" and "bestand/dashboards/Bestand.yaml" in names


def test_a_taken_port_is_said_before_anything_is_done(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = subprocess.run(
            [sys.executable, "-m", "bestand.bi", "serve", "--port", port, "--home", str(tmp_path / "home")],
            env=os.environ | {"BESTAND_PUBLISH_DIR": str(tmp_path)}, capture_output=True, text=True,
        )  # fmt: skip
    assert result.returncode == 2 and result.stderr.startswith(f"Port {port} is taken")
    assert not (tmp_path / "home").exists()


# --- in Superset and in the browser ---


@pytest.mark.slow
@pytest.mark.browser
def test_every_chart_of_every_tab_is_drawn(look: Look) -> None:
    """No spinner, error, empty chart or blank canvas, no title or table that does not fit; a picture of each tab."""
    assert look.tabs() == TABS
    seen = []
    for position, tab in enumerate(TABS):
        look.open(tab)
        look.picture(PICTURES / f"{position + 1}-{tab.lower().replace(' ', '-')}.png")
        seen += [one["name"] for one in look.charts()]
    assert sorted(seen) == sorted(chart["slice_name"] for chart in asset_files("charts").values())


@pytest.mark.slow
@pytest.mark.browser
def test_figures_on_screen_are_those_of_the_marts(look: Look, layout: Layout) -> None:
    ((customers, mrr, nrr, churn),) = marts(layout, LAST_MONTH)
    look.open("Overview")
    assert look.text("Customers").split("\n")[1] == f"{customers:,}"
    assert look.text("MRR").split("\n")[1] == f"{mrr:,.0f} €"
    assert look.text("Net revenue retention").split("\n")[1] == f"{nrr:.1%}"
    assert look.text("Customer churn").split("\n")[1] == f"{churn:.1%}"

    look.open("Churn")
    rows = marts(
        layout,
        """
        select segment_value, customers_at_start, customers_churned, churn_rate, ci_low, ci_high, is_small_base
        from marts.churn_by_segment
        where is_complete and period_grain = 'year' and segment_dimension = 'company_size'
        qualify period_start = max(period_start) over ()
        """,
    )
    table = look.text("The same in numbers")
    assert rows
    for value, size, lost, rate, low, high, is_small in rows:
        shown = [
            f"{value} *" if is_small else value, f"{size:,}", f"{lost:,}", f"{rate:.1%}",
            f"{100 * low:.1f} \N{EN DASH} {100 * high:.1f}%",
        ]  # fmt: skip
        assert "\t".join(shown) in table

    look.open("Early warning")
    ((alerts, first),) = marts(
        layout,
        "select count(*), min_by(account_id, (not is_in_focus, priority)) from marts.alerts where status = 'open'",
    )
    assert look.text("Open alerts").split("\n")[1] == f"{alerts:,}"
    assert f"Today\t1\t{first}" in look.text("Whom to call, why, and what to do")


@pytest.mark.slow
@pytest.mark.browser
def test_filters_change_what_is_shown(look: Look) -> None:
    look.open("Churn")
    assert "wholesale" not in look.text("The same in numbers")
    look.choose("Segment", "Industry")
    look.wait_for("The same in numbers", "wholesale *")
    look.choose("Segment", "Company size")
    look.wait_for("The same in numbers", "large *")


@pytest.mark.slow
@pytest.mark.browser
def test_a_new_publish_shows_without_a_restart(
    look: Look, layout: Layout, demo: Warehouse, manifest: dict[str, Any], tmp_path: Path
) -> None:
    """Also while somebody else keeps asking: connections that overlap must not hold the old file open for good."""
    ((before, *_),) = marts(layout, LAST_MONTH)
    working = tmp_path / "working.duckdb"
    shutil.copy(demo.database, working)
    with duckdb.connect(str(working)) as connection:
        connection.execute("update marts.mrr_monthly set customers_end = customers_end + 1000 where is_complete")
    look.open("Overview")
    assert look.text("Customers").split("\n")[1] == f"{before:,}"
    publish(layout, working, manifest)
    look.page.reload()
    look.open("Overview")
    assert look.text("Customers").split("\n")[1] == f"{before + 1000:,}"


@pytest.mark.slow
@pytest.mark.browser
def test_overlapping_connections_see_the_new_publish(
    served: Served, layout: Layout, demo: Warehouse, manifest: dict[str, Any]
) -> None:
    """One connection stays open on the old publish, in one process, as under steady load; the next sees the new one."""
    script = """
import os, sys
sys.path.insert(0, sys.argv[1])
from sqlalchemy import create_engine
from sqlalchemy.engine.url import make_url
from sqlalchemy.pool import NullPool
from superset_config import DB_CONNECTION_MUTATOR
def connect():
    url, params = DB_CONNECTION_MUTATOR(make_url("duckdb:///" + sys.argv[2]), {}, None, None, None)
    return create_engine(url, poolclass=NullPool, connect_args={"read_only": True}, **params).connect()
ask = "select build_id from operations.publish_manifest"
old = connect()
print(old.execute(ask).scalar(), flush=True)
sys.stdin.readline()
print(connect().execute(ask).scalar(), old.execute(ask).scalar(), flush=True)
"""
    process = subprocess.Popen(
        [bi.ENVIRONMENT / "bin" / "python", "-W", "ignore", "-c", script, bi.BI, layout.current],
        env={"BESTAND_SUPERSET_HOME": str(served.home), "PATH": os.environ["PATH"]},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    first = process.stdout.readline().strip()
    publish(layout, demo.database, manifest)
    second, _ = process.communicate("\n", timeout=60)
    ((now,),) = marts(layout, "select build_id from operations.publish_manifest")
    assert first != now and second.split() == [now, first]


@pytest.mark.slow
@pytest.mark.browser
def test_nothing_leaves_this_machine(look: Look) -> None:
    """The browser has seen all tabs by now: all it asked for was on loopback, or was refused before it left."""
    look.open("Overview")
    assert look.outside == []


@pytest.mark.slow
@pytest.mark.browser
def test_the_publish_can_only_be_read(served: Served, look: Look) -> None:
    """Neither the dashboard nor what is typed into SQL Lab can change the file, or read another one."""
    for sql in ("delete from marts.mrr_monthly", "select * from read_text('/etc/hostname')"):
        answer = look.page.evaluate(
            """async ([sql]) => {
                const token = await (await fetch('/api/v1/security/csrf_token/')).json();
                const databases = await (await fetch('/api/v1/database/')).json();
                const id = databases.result.find(one => one.database_name === 'Bestand').id;
                const body = {database_id: id, sql, schema: 'main', runAsync: false, client_id: 'c' + Date.now() % 1e9};
                const headers = {'Content-Type': 'application/json', 'X-CSRFToken': token.result};
                const said = await fetch('/api/v1/sqllab/execute/',
                    {method: 'POST', headers, body: JSON.stringify(body)});
                return [said.status, await said.text()];
            }""",
            [sql],
        )
        assert answer[0] >= 400, answer


@pytest.mark.slow
@pytest.mark.browser
def test_the_server_ends_with_who_started_it(served: Served, tmp_path: Path) -> None:
    """Even where the starter is killed and can clean nothing up."""
    port = bi.free_port()
    script = (
        "import sys, time; from pathlib import Path; from bestand import bi\n"
        "with bi.serving(Path(sys.argv[1]), int(sys.argv[2])):\n    print('up', flush=True); time.sleep(600)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script, str(served.home), str(port)], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None and starter.stdout.readline() == "up\n"
    starter.kill()
    starter.wait()
    end = time.monotonic() + 20
    while bi.answers(port) and time.monotonic() < end:
        time.sleep(0.3)
    assert not bi.answers(port)
