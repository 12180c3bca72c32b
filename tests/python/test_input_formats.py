"""Reading the input: formats, folders, schemas, dirty files, time zone, the gate; and what is said of a bad fit."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
from input_support import InputProject, write_rows
from project import Warehouse

DIRTY = Path(__file__).parent / "fixtures" / "dirty"
ACCOUNTS = {"accounts": [{"account_id": "a1", "acquired_on": "2024-01-01"}]}


@pytest.fixture(scope="module")
def input_project(tmp_path_factory: pytest.TempPathFactory) -> InputProject:
    return InputProject(tmp_path_factory.mktemp("formats"))


@pytest.fixture(scope="module")
def mixed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One entity per format, and folders of files whose columns differ in order and number."""
    folder = tmp_path_factory.mktemp("it's mixed")
    (folder / "orders").mkdir()
    (folder / "usage_daily").mkdir()
    with duckdb.connect() as connection:
        # as pandas writes it: dates as timestamps, whole numbers with gaps as floats, a numeric key
        connection.execute(f"""
            copy (
                select * from (values
                    (1, timestamp '2024-01-15 00:00:00', 12.0::double, false),
                    (2, timestamp_ns '2024-07-15 00:00:00', null, true),
                    (3, null, null, null)
                ) as rows (account_id, acquired_on, employee_count, is_test)
            ) to '{str(folder).replace("'", "''")}/accounts.parquet'
        """)
        usage = str(folder / "usage_daily").replace("'", "''")
        connection.execute(
            f"copy (select '1' account_id, date '2024-03-01' used_on, 'search' feature, 2 quantity) "
            f"to '{usage}/a.parquet'"
        )
        connection.execute(
            f"copy (select 3.5 quantity, 'c1' contact_id, 'search' feature, date '2024-03-02' used_on, '1' account_id) "
            f"to '{usage}/b.parquet'"
        )
    (folder / "usage_daily" / "_SUCCESS").touch()
    (folder / "orders" / "2024.csv").write_bytes(
        b'\xef\xbb\xbf"Order_ID";"account_id";"ordered_at";"amount";"currency"\r\n'
        b'o1;1;2024-03-01 10:00:00;10.5;eur\r\no2;1;2024-03-01T10:00:00+02:00;"1";EUR\r\n'
    )
    (folder / "orders" / "2025.csv").write_text(
        "account_id,order_id,category,amount,currency,ordered_at\n1,o3,books,3,EUR,2025-06-30 21:59:59\n"
        "1,o4,books,4,EUR,2025-06-30 22:00:00\n"
    )
    (folder / "subscriptions.json").write_text(
        json.dumps(
            [
                {"subscription_id": name, "account_id": 1, "valid_from": start, "amount": 9.99, "currency": "EUR",
                 "billing_interval_months": 1, "is_trial": False, "recorded_at": recorded}
                for name, start, recorded in [
                    ("winter", "2025-01-15", None), ("on_d", "2025-07-01", None), ("after_d", "2025-07-02", None),
                    ("in_time", "2025-07-02", "2025-06-30 21:59:59"), ("too_late", "2025-01-15", "2025-06-30 22:00:00"),
                ]
            ]
        )
    )  # fmt: skip
    (folder / "cancellations.json").write_text(
        '{"cancellation_id": "k1", "account_id": "1", "requested_on": "2025-06-30"}\n'
        '{"cancellation_id": "k2", "account_id": "1", "requested_on": "2025-07-01", "comment": "too dear"}\n'
    )
    (folder / "offers.json").write_text("[]")
    (folder / "plans.csv").write_text(
        "plan|valid_from|list_amount|billing_interval_months|currency\nbasic|2024-01-01|5|1|EUR\n"
    )
    (folder / "features.csv").write_text("feature,is_core\n")
    return folder


@pytest.fixture(scope="module")
def mixed(input_project: InputProject, mixed_folder: Path) -> Warehouse:
    warehouse = input_project.run("mixed", mixed_folder, reporting_time_zone="Europe/Berlin")
    assert warehouse.success, warehouse.messages()
    return warehouse


def _accounting(warehouse: Warehouse) -> dict[str, tuple[int, int, int, int, int, int]]:
    return {
        row["entity"]: tuple(
            row[f"rows_{name}"]
            for name in ("read", "accepted", "quarantined", "superseded", "not_yet_known", "rejected_by_reader")
        )
        for row in warehouse.rows("select * from marts.input_accounting where is_supplied")
    }  # type: ignore[misc]


def test_every_format_is_read(mixed: Warehouse) -> None:
    assert _accounting(mixed) == {
        "accounts": (3, 3, 0, 0, 0, 0),
        "orders": (4, 3, 0, 0, 1, 0),
        "subscriptions": (5, 3, 0, 0, 2, 0),
        "cancellations": (2, 1, 0, 0, 1, 0),
        "usage_daily": (2, 2, 0, 0, 0, 0),
        "plans": (1, 1, 0, 0, 0, 0),
        "offers": (0, 0, 0, 0, 0, 0),
        "features": (0, 0, 0, 0, 0, 0),
    }
    formats = {row["entity"]: row["input_format"] for row in mixed.rows("select * from staging.stg_crm__inputs")}
    assert (formats["accounts"], formats["orders"], formats["offers"], formats["contacts"]) == (
        "parquet",
        "csv",
        "json",
        None,
    )
    accounts = mixed.rows("select account_id, acquired_on, employee_count from conformed.accounts order by account_id")
    assert [(row["account_id"], str(row["acquired_on"]), row["employee_count"]) for row in accounts] == [
        ("1", "2024-01-15", 12), ("3", "None", None),
    ]  # fmt: skip
    orders = mixed.rows(
        "select order_id, amount, currency, category, ordered_at from conformed.orders order by order_id"
    )
    assert [(row["order_id"], float(row["amount"]), row["currency"], row["category"]) for row in orders] == [
        ("o1", 10.5, "EUR", None), ("o2", 1.0, "EUR", None), ("o3", 3.0, "EUR", "books"),
    ]  # fmt: skip
    assert [str(row["ordered_at"]) for row in orders[:2]] == ["2024-03-01 10:00:00", "2024-03-01 08:00:00"]
    usage = mixed.rows("select contact_id, quantity from conformed.usage_daily order by used_on")
    assert [(row["contact_id"], float(row["quantity"])) for row in usage] == [(None, 2.0), ("c1", 3.5)]


def test_days_begin_in_the_reporting_time_zone(mixed: Warehouse) -> None:
    known = {
        row["subscription_id"]: (str(row["known_at"]), row["disposition"])
        for row in mixed.rows("select * from conformed.validated_subscriptions")
    }
    assert known == {
        "winter": ("2025-01-14 22:59:59", "accepted"),
        "on_d": ("2025-06-30 21:59:59", "accepted"),
        "after_d": ("2025-07-01 21:59:59", "not_yet_known"),
        "in_time": ("2025-06-30 21:59:59", "accepted"),
        "too_late": ("2025-06-30 22:00:00", "not_yet_known"),
    }
    orders = {row["order_id"]: row["disposition"] for row in mixed.rows("select * from conformed.validated_orders")}
    assert (orders["o3"], orders["o4"]) == ("accepted", "not_yet_known")
    cancellations = mixed.rows("select cancellation_id, known_at from conformed.validated_cancellations order by 1")
    assert [str(row["known_at"]) for row in cancellations] == ["2025-06-29 22:00:00", "2025-06-30 22:00:00"]


def test_the_gate_stops_before_the_marts(mixed: Warehouse, input_project: InputProject) -> None:
    """Rejected and quarantined rows above the allowed share: the marts of the good build stay as they are."""
    before = _accounting(mixed)
    stopped = input_project.run("mixed", DIRTY / "rejected_lines")
    assert not stopped.success
    assert _accounting(stopped) == before
    message = " ".join(stopped.messages().split())
    assert (
        "orders: 7 of 9 rows were refused (77.8 %), more than the 5.0 % that the var quarantine_max_share allows. "
        "7 of them by the file reader (see quarantine.reader_rejects)." in message
    ), message
    assert stopped.messages().count("rows were refused") == 1
    # raised for this entity, the build goes on in the same database
    allowed = input_project.run(
        "mixed", DIRTY / "rejected_lines", quarantine_max_share={"default": 0.05, "orders": 0.8}
    )
    assert allowed.success, allowed.messages()
    assert _accounting(allowed) == {"accounts": (2, 2, 0, 0, 0, 0), "orders": (2, 2, 0, 0, 0, 7)}
    rejects = allowed.rows("select line, reason, line_count, raw_line from quarantine.reader_rejects order by line")
    assert [(row["line"], row["reason"], row["line_count"]) for row in rejects] == [
        (3, "missing columns", 1), (4, "too many columns", 1), (5, "invalid encoding", 1),
        (6, "unquoted value", 1), (8, "unquoted value", 3),
    ]  # fmt: skip
    assert rejects[0]["raw_line"] == "o2,a1,2024-03-01 10:00:00,10"


def test_the_gate_counts_what_is_wrong_by_itself(input_project: InputProject, tmp_path: Path) -> None:
    """Rows that fall with their account do not count; the allowed share itself still passes."""
    order = {"ordered_at": "2024-03-01", "currency": "EUR"}
    tables: dict[str, list[dict[str, Any]]] = {
        "accounts": [{"account_id": f"a{n}", "currency": "EUX" if n == 0 else "EUR"} for n in range(10)],
        "orders": [
            {**order, "order_id": f"o{n}", "account_id": f"a{n % 2}", "amount": -1 if n == 1 else 1} for n in range(10)
        ],
    }
    folder = write_rows(tmp_path, tables)
    select = "validated_accounts validated_orders stg_crm__accounts stg_crm__orders stg_crm__inputs reader_rejects"
    passing = input_project.run("share", folder, select=select, quarantine_max_share=0.1)
    assert passing.success, passing.messages()
    strict = input_project.run("share", folder, command="test", select="validated_orders", quarantine_max_share=0.09)
    assert "orders: 1 of 10 rows were refused (10.0 %), more than the 9.0 %" in strict.messages()
    assert "Most frequent reason: negative:amount." in strict.messages()
    nonsense = input_project.run("share", folder, command="test", select="validated_orders", quarantine_max_share="few")
    assert (
        "The var quarantine_max_share gives 'few' for orders; expected a share between 0 and 1." in nonsense.messages()
    )


def test_tables_of_a_schema(input_project: InputProject) -> None:
    work = input_project.work / "tables"
    work.mkdir()
    with duckdb.connect(str(work / "bestand.duckdb")) as connection:
        connection.execute("create schema raw_crm")
        connection.execute(
            "create table raw_crm.accounts as select uuid() as account_id, date '2024-01-01' as acquired_on,"
            " 'x' as crm_owner from range(3)"
        )
        connection.execute(
            'create table raw_crm."Orders" as select row_number() over () as "ORDER_ID", account_id,'
            " timestamptz '2024-03-01 10:00:00+01' as ordered_at, 7 as amount, 'EUR' as currency from raw_crm.accounts"
        )
        connection.execute("create table raw_crm.offers (offer_id integer)")
    common = {"crm_source": "schema", "crm_extra_columns": "ignore", "crm_entities": ["accounts", "orders"]}
    built = input_project.run("tables", None, crm_schema="bestand.raw_crm", **common)
    assert built.success, built.messages()
    assert _accounting(built) == {"accounts": (3, 3, 0, 0, 0, 0), "orders": (3, 3, 0, 0, 0, 0)}
    assert str(built.value("select distinct ordered_at from conformed.orders")) == "2024-03-01 09:00:00"
    assert built.value("select count(distinct account_id) from conformed.orders") == 3

    def check(**variables: Any) -> str:
        result = input_project.run("tables", None, select="stg_crm__inputs", **{"crm_source": "schema", **variables})
        return " ".join(result.messages().split())

    looked = check(crm_schema="raw_crm")
    assert "raw_crm.accounts: unknown column crm_owner; expected account_id, account_name," in looked
    assert "raw_crm.offers: columns account_id, offered_at missing; expected offer_id, account_id," in looked
    absent = check(crm_schema="raw_crm", crm_entities=["accounts", "plans"], crm_extra_columns="ignore")
    assert "raw_crm.plans: the table does not exist, but the var crm_entities names plans." in absent
    assert "expected the table elsewhere.accounts (does the schema exist?)." in check(crm_schema="elsewhere")
    assert "The var crm_schema is missing" in check()


def test_everything_wrong_is_said_at_once(input_project: InputProject) -> None:
    result = input_project.run("problems", DIRTY / "many_problems", select="stg_crm__inputs")
    folder = re.escape(str(DIRTY / "many_problems"))
    message = " ".join(result.messages().split())
    for sentence in (
        r"/orders\.csv: column ordered_at missing; expected order_id, account_id, .* \(needed: order_id, account_id, "
        r"ordered_at, amount, currency\), found order_id, account_id, order_date, amount, currency\.",
        r"/orders\.csv: unknown column order_date; expected order_id, .*crm_extra_columns: ignore\.",
        r"/subscriptions\.csv: the file is empty; expected a header line with the columns of subscriptions\.",
        r"/invoices\.csv: the file is empty; expected a header line",
        r"/usage_events\.parquet: the file is empty \(0 bytes\)\.",
        r"/features\.csv: the column 'is_core' occurs twice in the header\.",
        r"/costs\.xlsx: unknown format; expected \.parquet, \.csv or \.json\.",
    ):
        assert re.search("- " + folder + sentence, message), (sentence, message)
    assert re.search(r"- plans: files of several formats \(.*plans\.csv, .*part-1\.json\); keep those of one", message)


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("truncated_parquet", "No magic bytes found at end of file '{folder}/orders.parquet'"),
        ("truncated_json", 'Malformed JSON in file "{folder}/orders.json"'),
    ],
)
def test_broken_files_are_named(input_project: InputProject, case: str, sentence: str) -> None:
    result = input_project.run("problems", DIRTY / case, select="stg_crm__inputs")
    assert sentence.format(folder=DIRTY / case) in result.messages()


def test_line_ends_of_two_kinds_are_refused_before_anything_is_read(input_project: InputProject) -> None:
    result = input_project.run(
        "line_ends", DIRTY / "mixed_line_ends", select="stg_crm__inputs reader_rejects validated_orders"
    )
    assert f"file = {DIRTY}/mixed_line_ends/orders.csv" in result.messages()
    assert {node.node.name: str(node.status) for node in result.result.result.results}["validated_orders"] == "skipped"


def test_columns_of_the_wrong_type_are_quarantined(input_project: InputProject) -> None:
    select = "stg_crm__inputs reader_rejects stg_crm__accounts stg_crm__orders validated_accounts validated_orders"
    result = input_project.run("types", DIRTY / "wrong_types", command="run", select=select)
    assert result.success, result.messages()
    assert result.rows("select distinct reasons, raw_row ->> 'ordered_at' as raw from conformed.validated_orders") == [
        {"reasons": "unparsable:ordered_at,unparsable:amount", "raw": "20240301"}
    ]


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"crm_source": "excel"}, "The var crm_source is 'excel'; expected seeds, files or schema."),
        ({}, "The var crm_files is missing: with crm_source 'files' it names the folder that holds"),
        ({"crm_files": "nowhere"}, "The folder nowhere (var crm_files) does not exist or is empty."),
        (
            {"crm_files": "only_orders/"},
            "accounts is not supplied, and no mart can do without: expected only_orders/accounts.parquet, .csv or"
            " .json, or a folder only_orders/accounts/ of such files.",
        ),
        (
            {"crm_files": "fine", "crm_entities": ["accounts", "plans"]},
            "fine/plans: no such file (.parquet, .csv or .json) and no such folder, but the var crm_entities names"
            " plans.",
        ),
        (
            {"crm_files": "fine", "crm_entities": ["accounts", "plan"]},
            "The var crm_entities names 'plan', which the contract does not know; it knows accounts, account_history,",
        ),
        (
            {"crm_files": "fine", "crm_entities": "accounts"},
            "The var crm_entities is 'accounts'; expected a list of entities",
        ),
        (
            {"crm_files": "fine", "crm_extra_columns": "keep"},
            "The var crm_extra_columns is 'keep'; expected error or ignore.",
        ),
    ],
)
def test_wrong_settings_get_a_clear_sentence(
    input_project: InputProject,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, Any],
    sentence: str,
) -> None:
    write_rows(tmp_path / "fine", ACCOUNTS)
    write_rows(tmp_path / "only_orders", {"orders": [{"order_id": "o1"}]})
    monkeypatch.chdir(tmp_path)
    result = input_project.run("settings", None, select="stg_crm__inputs", **variables)
    assert sentence in " ".join(result.messages().split())


@pytest.mark.slow
def test_compile_empty_and_no_rows(input_project: InputProject, tmp_path: Path) -> None:
    folder = write_rows(tmp_path, ACCOUNTS)
    compiled = input_project.run("fresh", folder, command="compile")
    assert compiled.success, compiled.messages()
    empty = input_project.run("fresh", folder, command="build --empty")
    assert empty.success, empty.messages()
    assert empty.value("select count(*) from conformed.accounts") == 0
    (folder / "accounts.csv").write_text("account_id\n")
    no_rows = input_project.run("fresh", folder, command="run")
    assert no_rows.success, no_rows.messages()
    assert _accounting(no_rows) == {"accounts": (0, 0, 0, 0, 0, 0)}
    assert no_rows.value("select count(*) from marts.input_accounting") == 25
