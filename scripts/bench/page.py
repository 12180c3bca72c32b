"""docs/benchmarks.md: one section per benchmark, each written by its own command; the others stay as they are."""

from __future__ import annotations

import re
from pathlib import Path

from .. import paths

PAGE = paths.ROOT / "docs" / "benchmarks.md"
INTRODUCTION = """# Benchmarks

Each section says which command writes it. The figures of a section are from one run: compare within it, not between
sections or machines.
"""
ORDER = [
    "Scale: size S", "Scale: size M", "Scale: size L", "Scale: what misses its aims", "Spark",
    "Customers without contract", "The health score",
]  # fmt: skip


def sections(text: str) -> dict[str, str]:
    """The sections of the page by their heading."""
    parts = re.split(r"^## (?=.)", text, flags=re.MULTILINE)[1:]
    return {part.splitlines()[0]: part.split("\n", 1)[1].strip() for part in parts}


def with_section(text: str, heading: str, body: str) -> str:
    """The page with one section written anew."""
    found = {**sections(text), heading: body.strip()}

    def rank(name: str) -> int:
        return next((place for place, start in enumerate(ORDER) if name.startswith(start)), len(ORDER))

    return "\n".join([INTRODUCTION, *(f"## {name}\n\n{found[name]}\n" for name in sorted(found, key=rank))])


def write_section(heading: str, body: str, page: Path = PAGE) -> None:
    """Writes one section of the page."""
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    page.write_text(with_section(before, heading, body), encoding="utf-8")
