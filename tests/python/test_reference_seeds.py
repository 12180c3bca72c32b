"""The reference seeds carry every figure the requirements name, and marts find exactly one per segment."""

from __future__ import annotations

import csv
from collections import Counter
from typing import Any

from project import ROOT

# Rate in percent by segment, as requirements B1 to B3 and B5 give it.
CHURN = {
    ("all", "all"): 18,
    ("company_size", "small"): 7.5,
    ("company_size", "mid"): 5.2,
    ("company_size", "large"): 3.8,
    ("industry", "wholesale"): 56,
    ("industry", "consumer and retail"): 40,
    ("industry", "logistics"): 40,
    ("industry", "manufacturing"): 35,
    ("industry", "telecoms"): 31,
    ("industry", "professional services"): 27,
    ("industry", "financial services"): 19,
    ("industry", "industrial services"): 17,
    ("industry", "software"): 14,
    ("industry", "it services"): 12,
    ("industry", "energy"): 11,
    ("decision_maker", "left"): 25,
    ("decision_maker", "stayed"): 8,
}


def seed(name: str) -> list[dict[str, Any]]:
    with (ROOT / "seeds" / "reference" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_one_benchmark_is_shown_per_metric_and_segment() -> None:
    rows = seed("benchmarks")
    assert {row["is_shown"] for row in rows} == {"true", "false"}
    segments = {(row["metric"], row["segment_dimension"], row["segment_value"]) for row in rows}
    shown = Counter(
        (row["metric"], row["segment_dimension"], row["segment_value"]) for row in rows if row["is_shown"] == "true"
    )
    assert shown == dict.fromkeys(segments, 1)


def test_shown_churn_benchmarks_are_the_published_ones() -> None:
    shown = {
        (row["segment_dimension"], row["segment_value"]): float(row["rate"])
        for row in seed("benchmarks")
        if row["metric"] == "customer_churn_rate" and row["is_shown"] == "true"
    }
    assert shown == {segment: round(percent / 100, 6) for segment, percent in CHURN.items()}


def test_rates_are_fractions_inside_their_range() -> None:
    for row in seed("benchmarks"):
        rate = float(row["rate"])
        assert 0 < rate < 1, row
        assert float(row["rate_low"] or 0) <= rate <= float(row["rate_high"] or 1), row
        assert row["period"] in ("month", "quarter", "year", "unstated"), row
        assert row["source"].startswith("Bestand requirements, row "), row


def test_reasons_say_what_they_mean() -> None:
    rows = {row["reason_code"]: row for row in seed("reason_codes")}
    assert {code for code, row in rows.items() if row["is_voluntary"] == "false"} == {"payment_failure"}
    assert {code for code, row in rows.items() if row["is_avoidable"] == "false"} == {"insolvency", "business_closed"}
    assert {code for code, row in rows.items() if not row["is_avoidable"]} == {"other", "unknown"}
    assert {code for code, row in rows.items() if not row["is_voluntary"]} == {"unknown"}


def test_published_effects_are_those_of_the_requirements() -> None:
    rows = {row["effect"]: (row["low"], row["high"]) for row in seed("published_effects")}
    assert rows == {
        "profit of more retention": ("0.25", "0.95"),
        "profit of more investment": ("", "0.75"),
        "value of a loyalty lift": ("", "0.85"),
        "acquiring against keeping": ("5", "25"),
        "rise of acquisition cost": ("0.6", "0.6"),
        "loss on the first order": ("29", "29"),
        "cost of retention": ("12", "12"),
    }
