"""Reads limits.yml and says what it allows in a given case."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from .report import Severity

LIMITS = Path(__file__).with_name("limits.yml")
LEVELS: tuple[Severity, ...] = ("error", "warn")
Unit = Literal["percent", "points", "share", "value"]
UNITS = {"percent": " %", "points": " points", "share": " %", "value": ""}


@dataclass(frozen=True)
class Band:
    """What is allowed, ends included; None is open."""

    low: float | None
    high: float | None
    unit: Unit

    def __str__(self) -> str:
        unit = UNITS[self.unit]
        sign = "+" if self.unit in ("percent", "points") else ""
        if self.low is None:
            return f"at most {number(self.high or 0)}{unit}"
        if self.high is None:
            return f"at least {number(self.low)}{unit}"
        return f"{number(self.low)} to {sign if self.high > 0 else ''}{number(self.high)}{unit}"


@dataclass(frozen=True)
class Limit:
    """One entry of limits.yml."""

    unit: Unit
    reason: str
    error: tuple[float | None, float | None] | None = None
    warn: tuple[float | None, float | None] | None = None
    monthly: bool = False
    slack: float = 0
    slack_root: float = 0

    def band(self, level: Severity, months: float = 1, base: float | None = None) -> Band | None:
        """What is allowed at this level; None where the level is not asked.

        `months` lie between the two as-of dates, negative when the new one is the earlier; less than a month counts as
        one. `base` is how many things stand behind the number: small ones get the room that slack gives.
        """
        ends = self.error if level == "error" else self.warn
        if ends is None:
            return None
        low, high = ends
        if self.monthly:
            low, high = self._over(low, months), self._over(high, months)
            if months < 0:
                low, high = self._turned(high), self._turned(low)
        room = self._room(base)
        return Band(
            None if low is None else max(low - room, -100.0) if self.unit == "percent" else low - room,
            None if high is None else high + room,
            self.unit,
        )

    def _over(self, end: float | None, months: float) -> float | None:
        if end is None:
            return None
        months = max(abs(months), 1.0)
        if self.unit == "percent":
            return 100 * (math.pow(1 + end / 100, min(months, 60.0)) - 1)
        return end * months

    def _turned(self, end: float | None) -> float | None:
        if end is None or self.unit != "percent":
            return None if end is None else -end
        return None if end <= -99.99 else 100 * (1 / (1 + end / 100) - 1)

    def _room(self, base: float | None) -> float:
        if base is None or not (self.slack or self.slack_root):
            return 0.0
        base = max(base, 1.0)
        return 100 * self.slack / base + 100 * self.slack_root / math.sqrt(base)


@cache
def limits() -> dict[str, Limit]:
    """All limits by name."""
    read: dict[str, dict[str, Any]] = yaml.safe_load(LIMITS.read_text(encoding="utf-8"))
    made = {}
    for name, entry in read.items():
        levels: dict[str, Any] = {level: tuple(entry[level]) for level in LEVELS if level in entry}
        try:
            made[name] = Limit(**{**entry, **levels})
        except TypeError as error:
            raise ValueError(f"{LIMITS.name}: {name} is not a limit ({error}).") from error
    return made


def number(value: float) -> str:
    """A number for people: three or four digits, thousands separated, no exponent."""
    if value != value or math.isinf(value):
        return "not a number"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    size = abs(value)
    digits = 1 if size >= 10 else 2 if size >= 0.095 else 4 if size >= 0.00095 else 9
    return f"{value:,.{digits}f}".rstrip("0").rstrip(".")
