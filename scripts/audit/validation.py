"""Hands suites to Great Expectations and brings its results back as findings."""

from __future__ import annotations

import time
from typing import Any

import great_expectations as gx
from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)

from .expectations import BATCHES, Builder, Check, Skipped, Suite, kind
from .report import Finding


class Validator:
    """An ephemeral context of Great Expectations that takes data frames."""

    def __init__(self) -> None:
        configuration = DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(),  # no folder for pages that nobody asks for
            progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
            analytics_enabled=False,
        )
        self._context = gx.get_context(mode="ephemeral", project_config=configuration)
        source = self._context.data_sources.add_pandas("marts")
        self._batches = {
            batch: source.add_dataframe_asset(batch).add_batch_definition_whole_dataframe("all") for batch in BATCHES
        }

    def validate(self, suite: Suite, seconds_each: float) -> tuple[list[Finding], ExpectationSuiteValidationResult]:
        """The findings of a suite, and one result for its page.

        Each batch is validated apart (rows, the numbers of the whole, the parts). `seconds_each` is what measuring took
        per expectation; validating is added to it.
        """
        findings, results = [_skipped(suite.mart, one) for one in suite.skipped], []
        meta: dict[str, Any] = {}
        for batch in BATCHES:
            checks = [check for check in suite.checks if check.batch == batch]
            if not checks:
                continue
            for number, check in enumerate(checks):
                check.expectation.meta = {"check": number}
            started = time.perf_counter()
            asked = self._batches[batch].get_batch({"dataframe": suite.batches[batch]})
            result = asked.validate(
                gx.ExpectationSuite(name=suite.mart, expectations=[check.expectation for check in checks]),
                result_format=Builder.PART_RESULT if batch == "parts" else Builder.ROW_RESULT,
            )
            seconds = seconds_each + (time.perf_counter() - started) / len(checks)
            meta = meta or dict(result.meta)
            for one in result.results:
                configuration: Any = one.expectation_config
                check = checks[configuration.meta.pop("check")]
                findings.append(_finding(suite.mart, check, one, seconds))
                results.append(_for_page(check, one))
        good = sum(1 for one in results if one.success)
        whole = ExpectationSuiteValidationResult(
            success=all(one.success or one.severity == "warn" for one in findings),
            results=results,
            suite_name=suite.mart,
            statistics={
                "evaluated_expectations": len(results),
                "successful_expectations": good,
                "unsuccessful_expectations": len(results) - good,
                "success_percent": 100 * good / len(results) if results else None,
            },
            meta=meta,
        )
        return findings, whole


def _skipped(mart: str, one: Skipped) -> Finding:
    message = f"{mart}: {one.column}: {one.why}{'' if one.failed else ', so it was not asked'}."
    return Finding(mart, one.type, one.column, one.severity, not one.failed, one.why, one.limits, message, 0.0)


def _finding(mart: str, check: Check, one: Any, seconds: float) -> Finding:
    raised = (one.exception_info or {}).get("exception_message") if not one.success and not one.result else None
    if raised:
        observed, message = "not known", f"{mart}: {check.column}: could not be asked: {str(raised).splitlines()[0]}"
    else:
        observed, message = check.tell(one.result)
    return Finding(
        mart, kind(check.expectation), check.column, check.severity, bool(one.success), observed, check.limits,
        message, seconds,
    )  # fmt: skip


# What may be a key of an account or a person's text does not go on a page.
SHOWN = (
    "observed_value",
    "element_count",
    "unexpected_count",
    "unexpected_percent",
    "missing_count",
    "missing_percent",
)


def _for_page(check: Check, one: Any) -> Any:
    """The result as plain numbers and without examples of keys."""
    kept = dict(one.result)
    if check.batch == "rows":
        kept = {name: value for name, value in kept.items() if name in SHOWN}
    if isinstance(kept.get("observed_value"), float):
        kept["observed_value"] = float(kept["observed_value"])
    one.result = kept
    return one
