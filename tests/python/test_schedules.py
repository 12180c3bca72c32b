"""The examples for schedulers: what they say is true, and Dagster's project builds, checks and publishes."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from project import ROOT, write_entity

SCHEDULES = ROOT / "examples" / "schedules"
SERVICE = SCHEDULES / "systemd" / "bestand-refresh.service"
TIMER = SCHEDULES / "systemd" / "bestand-refresh.timer"
CRON = SCHEDULES / "cron" / "bestand.cron"
DAGSTER = ROOT / ".cache" / "dagster" / "bin" / "python"

FIELDS = (range(60), range(24), range(1, 32), range(1, 13), range(8))


# --- cron ---


def job() -> tuple[list[str], str, str]:
    """Times, user and command of the one job."""
    lines = [line for line in CRON.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    (found,) = [line for line in lines if not re.match(r"[A-Z_]+=", line)]
    *times, user, command = found.split(None, 6)
    return times, user, command


def as_shell(command: str) -> str:
    """What cron hands to the shell: up to the first % that is not escaped, which would begin its input."""
    assert not re.search(r"(?<!\\)%", command)
    return command.replace(r"\%", "%")


def test_the_cron_job_runs_once_a_day() -> None:
    times, user, _ = job()
    assert times == ["30", "6", "*", "*", "*"] and user == "bestand"
    for text, allowed in zip(times, FIELDS, strict=True):
        assert text == "*" or int(text) in allowed
    assert CRON.read_bytes().endswith(b"\n")  # cron does not read a last line without one


@pytest.mark.parametrize(("code", "seen"), [(0, 0), (1, 1), (2, 1), (3, 0), (4, 1)])
def test_cron_runs_the_refresh_and_takes_busy_for_no_failure(code: int, seen: int, tmp_path: Path) -> None:
    command, arguments = run_example(as_shell(job()[2]), code, tmp_path)
    assert command.returncode == seen
    assert arguments[:3] == ["refresh", "--input", "/srv/crm"]
    assert arguments[3] == "--as-of" and dt.date.fromisoformat(arguments[4])
    assert (tmp_path / "log" / "refresh.log").read_text(encoding="utf-8") == "secret is there\n"


def run_example(text: str, code: int, folder: Path) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Runs the example's command line in a folder of its own, with a stand-in for bestand that notes what it gets."""
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / "log").mkdir()
    (folder / "bestand.env").write_text("BESTAND_SMTP_PASSWORD='a b'\n", encoding="utf-8")
    stand_in = folder / ".venv" / "bin" / "bestand"
    stand_in.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {folder}/arguments\n'
        f'[ "$BESTAND_SMTP_PASSWORD" = "a b" ] && echo secret is there\nexit {code}\n',
        encoding="utf-8",
    )
    stand_in.chmod(0o755)
    for place, here in {"/opt/bestand": folder, "/etc/bestand": folder, "/var/log/bestand": folder / "log"}.items():
        text = text.replace(place, str(here))
    ended = subprocess.run(["/bin/sh", "-c", text], cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    return ended, (folder / "arguments").read_text(encoding="utf-8").splitlines()


# --- systemd ---


def unit(file: Path) -> dict[str, list[str]]:
    """The settings of a unit by name; a setting may be there more than once."""
    found: dict[str, list[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_systemd_takes_busy_for_success_and_starts_the_service() -> None:
    service, timer = unit(SERVICE), unit(TIMER)
    assert service["SuccessExitStatus"] == ["3"] and service["Type"] == ["oneshot"]
    assert service["ReadWritePaths"] == service["WorkingDirectory"] == ["/opt/bestand"]
    assert timer["OnCalendar"] == ["*-*-* 06:30:00 Europe/Berlin"]
    assert SERVICE.stem == TIMER.stem  # which is how the timer knows what to start


def test_systemd_runs_the_refresh(tmp_path: Path) -> None:
    (start,) = unit(SERVICE)["ExecStart"]
    shell, option, script = shlex.split(start.replace("%%", "%").replace("$$", "$"))
    assert (shell, option) == ("/bin/sh", "-c")
    assert "%" not in start.replace("%%", "") and "$" not in start.replace("$$", "")
    _, arguments = run_example(script, 0, tmp_path)
    assert arguments[:4] == ["refresh", "--input", "/srv/crm", "--as-of"] and dt.date.fromisoformat(arguments[4])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_reads_the_units_without_a_word(tmp_path: Path) -> None:
    for file in (SERVICE, TIMER):
        shutil.copy(file, tmp_path)
    said = verified(tmp_path)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")
    broken = tmp_path / TIMER.name
    broken.write_text(TIMER.read_text(encoding="utf-8").replace("06:30:00", "26:30:00"), encoding="utf-8")
    assert "Failed to parse calendar" in verified(tmp_path).stderr


def verified(folder: Path) -> subprocess.CompletedProcess[str]:
    order = ["systemd-analyze", "--man=no", "verify", *sorted(str(file) for file in folder.iterdir())]
    return subprocess.run(order, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("file", [CRON, SERVICE, TIMER, SCHEDULES / "README.md"], ids=lambda file: file.name)
def test_options_in_the_examples_are_those_of_the_command(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for command, rest in re.findall(r"bestand (refresh|publish)((?: --[a-z-]+(?: [^-\s`]\S*)?)*)", text):
        known = subprocess.run(
            [sys.executable, "-m", "bestand.cli", command, "--help"], capture_output=True, text=True, check=True,
            env={**os.environ, "COLUMNS": "200", "TERM": "dumb"}, timeout=60,
        ).stdout  # fmt: skip
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in known, (command, option)


# --- Dagster ---


def test_dagster_has_the_projects_own_versions() -> None:
    def pins(name: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            if pin := re.match(r"([a-z0-9-]+)(?:\[.*\])?==(\S+)", line):
                found.setdefault(pin[1], set()).add(pin[2])
        return found

    project, dagster = pins("requirements.lock"), pins("requirements-dagster.lock")
    assert {"dbt-core", "dbt-duckdb", "duckdb", "dbt-adapters", "dbt-common"} <= project.keys() & dagster.keys()
    assert {name: project[name] for name in project.keys() & dagster.keys()} == {
        name: dagster[name] for name in project.keys() & dagster.keys()
    }


ACCOUNTS = [
    {"account_id": f"A{number}", "account_name": f"Account {number}", "business_model": "b2b_contract",
     "company_size": "small", "acquired_on": "2026-01-10", "currency": "EUR"}
    for number in range(1, 5)
]  # fmt: skip
SUBSCRIPTIONS = [
    {"subscription_id": f"S{number}", "account_id": f"A{number}", "product": "flow", "valid_from": "2026-01-15",
     "amount": 100 * number, "currency": "EUR", "billing_interval_months": 1,
     "valid_to": "2026-05-20" if number == 4 else None}
    for number in range(1, 5)
]  # fmt: skip
DAY = "2026-07-01"


@pytest.fixture(scope="module")
def dagster(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Dagster's project defines, and how its runs ended, all in one process of its environment."""
    if not DAGSTER.exists():
        pytest.fail("Dagster's environment is missing: make .cache/dagster/.installed")
    work = tmp_path_factory.mktemp("dagster")
    files = work / "crm"
    write_entity(files, "accounts", ACCOUNTS)
    write_entity(files, "subscriptions", SUBSCRIPTIONS)
    broken = (files / "accounts.csv").read_text(encoding="utf-8").replace("2026-01-10", "soon")
    # the publish asset is to publish the one mart that is built here
    real = stand_in(
        work / "real",
        f'exec {shlex.quote(sys.executable)} -m bestand.cli "$@" --marts mrr_monthly --marts account_months',
    )
    told = json.dumps({"build_id": "b1", "reason": "Too few.", "failures": ["alerts: volume"], "warnings": ["w"]})
    ends = {code: stand_in(work / f"ends{code}", f"echo {shlex.quote(told)}\nexit {code}") for code in (1, 2, 3, 4)}
    ends[9] = stand_in(work / "ends9", "echo no JSON\nexit 9")
    chain = ["+marts/mrr_monthly", "+marts/account_months", "published"]
    runs = [
        {"keys": chain, "day": DAY, "environment": {"BESTAND_COMMAND": real}},
        *(
            {"keys": ["published"], "day": DAY, "environment": {"BESTAND_COMMAND": command},
             "settings": {"TRIES_WHEN_BUSY": 2, "SECONDS_BETWEEN": 0}}
            for command in ends.values()
        ),
        {"keys": chain, "day": DAY, "files": {str(files / "accounts.csv"): broken},
         "environment": {"BESTAND_COMMAND": str(work / "never")}},
    ]  # fmt: skip
    environment = {
        **os.environ,
        "BESTAND_VARS": yaml.safe_dump({
            "crm_source": "files", "crm_files": str(files), "reporting_time_zone": "Europe/Berlin"
        }),
        "BESTAND_DATABASE": str(work / "bestand.duckdb"),
        "BESTAND_PUBLISH_DIR": str(work / "published"),
        "DBT_TARGET_PATH": str(work / "target"),
        "DBT_LOG_PATH": str(work / "logs"),
        "DAGSTER_HOME": str(work),
    }  # fmt: skip
    shutil.copy(SCHEDULES / "dagster" / "dagster.yaml", work)
    order = [DAGSTER, Path(__file__).with_name("dagster_runs.py"), SCHEDULES / "dagster" / "definitions.py"]
    ended = subprocess.run(
        [*order, json.dumps(runs)], env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    found: dict[str, Any] = json.loads(ended.stdout.rpartition("-" * 20)[2])
    good, *stood_in, bad = found["runs"]
    return {**found, "good": good, "bad": bad, "ends": dict(zip(ends, stood_in, strict=True)), "work": work}


def stand_in(file: Path, script: str) -> str:
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)
    return str(file)


@pytest.mark.slow
def test_every_model_is_an_asset_in_its_group(dagster: dict[str, Any]) -> None:
    files = [file.relative_to(ROOT / "models") for file in (ROOT / "models").rglob("*.sql")]
    assets = dagster["assets"]
    names = {key.rpartition("/")[2]: key for key in assets}
    assert {file.stem for file in files} <= names.keys()
    for file in files:
        group = file.parts[1] if file.parts[0] == "marts" else file.parts[0]
        assert assets[names[file.stem]]["group"] == group, file
    assert assets["published"]["group"] == "publish"
    marts = sorted(names[file.stem] for file in files if file.parts[0] == "marts")
    assert assets["published"]["needs"] == marts and len(marts) > 30
    # the demo's seeds are no input where files are
    assert not [key for key, one in assets.items() if one["group"] == "seeds_demo"]
    assert assets["seeds/signals"]["group"] == "seeds_reference"


@pytest.mark.slow
def test_dbt_tests_are_checks(dagster: dict[str, Any]) -> None:
    checks = dagster["checks"]
    assert {"marts/mrr_monthly: mrr_monthly_key", "marts/mrr_monthly: mrr_monthly_rules", "published: audit"} <= set(
        checks
    )
    assert len(checks) > 150


@pytest.mark.slow
def test_the_schedule_is_for_the_day_in_the_reporting_time_zone(dagster: dict[str, Any]) -> None:
    schedule = dagster["schedule"]
    assert (schedule["cron"], schedule["zone"]) == ("30 6 * * *", "Europe/Berlin")
    assert {moment: one["key"] for moment, one in schedule["asks"].items()} == {
        "2026-07-01T04:30:00": "2026-07-01",
        "2026-07-01T22:30:00": "2026-07-02",
        "2026-12-31T23:30:00": "2027-01-01",
    }
    for one in schedule["asks"].values():
        assert one["config"] == {"resources": {"day": {"config": {"as_of": one["key"]}}}}


@pytest.mark.slow
def test_a_run_materialises_checks_and_publishes(dagster: dict[str, Any]) -> None:
    run = dagster["good"]
    assert run["success"], run["failures"]
    assert {"marts/mrr_monthly", "marts/account_months", "conformed/validated_accounts", "published"} <= set(
        run["materialised"]
    )
    assert run["checks"]["marts/mrr_monthly: mrr_monthly_rules"]["passed"]
    assert all(one["passed"] for one in run["checks"].values()), run["checks"]
    told = run["materialised"]["published"]
    assert told["as_of_date"] == DAY and re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", told["build_id"])
    with duckdb.connect(str(dagster["work"] / "published" / "marts.duckdb"), read_only=True) as connection:
        assert connection.execute("select build_id, as_of_date from operations.publish_manifest").fetchone() == (
            told["build_id"], dt.date(2026, 7, 1),
        )  # fmt: skip
        # 1, 2 and 3 hundred: the fourth left in May
        rows = connection.execute(
            "select customers_end, mrr_end from marts.mrr_monthly where month_start = date '2026-06-01'"
        ).fetchall()
    assert [(customers, float(mrr)) for customers, mrr in rows] == [(3, 600.0)]
    assert told["rows"].keys() == {"account_months", "mrr_monthly"} and told["rows"]["mrr_monthly"] == 6


@pytest.mark.slow
def test_a_failing_check_fails_the_run(dagster: dict[str, Any]) -> None:
    run = dagster["bad"]
    assert not run["success"]
    failed = {name: one["severity"] for name, one in run["checks"].items() if not one["passed"]}
    assert list(failed.values()) == ["ERROR"] and "validated_accounts" in next(iter(failed))
    assert "marts/mrr_monthly" not in run["materialised"] and "published" not in run["materialised"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "said"),
    [(1, "The audit refused the marts; what was published stays. Too few."),
     (2, "The input or the configuration is wrong; what was published stays. Too few."),
     (4, "Publishing failed; what was published stays. Too few."),
     (9, "It ended with the exit code 9.")],
)  # fmt: skip
def test_exit_codes_are_failures_that_say_what_they_mean(code: int, said: str, dagster: dict[str, Any]) -> None:
    run = dagster["ends"][code]
    assert not run["success"] and not run["materialised"] and not run["retries"]
    assert said in run["failures"][0]
    audit = run["checks"].get("published: audit")
    if code == 1:
        assert audit["passed"] is False
        assert audit["metadata"] == {"failures": ["alerts: volume"], "warnings": ["w"]}
    else:
        assert audit is None


@pytest.mark.slow
def test_busy_is_tried_again(dagster: dict[str, Any]) -> None:
    run = dagster["ends"][3]
    assert not run["success"] and len(run["retries"]) == 2
