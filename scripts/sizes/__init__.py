"""A made-up CRM of any size as Parquet files, for measuring: `python -m bestand.sizes`.

The rows are made by DuckDB from `base.sql` and one query per entity under `entities/`; what is here says how many and
into which files. History lies in one file per recording month where an entity has many rows, in one file where it has
few, and each later day in a file of its own: `usage_daily/recorded_2026-06.parquet`, then
`usage_daily/recorded_2026-07-01.parquet`. Months, as days would be thousands of files of some hundred rows at the
smallest size; no folders within folders (`day=.../`), as the input contract has an entity's files side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

HERE = Path(__file__).parent
FIRST_DAY = date(2023, 7, 1)
AS_OF = date(2026, 7, 1)  # the day after the history
DAYS = (AS_OF - FIRST_DAY).days
BEFORE = -400  # price lists and first rates are known before the first day
MOST_LATER_DAYS = 399  # base.sql plans so many days beyond the history

BY_MONTH = ("usage_daily", "messages", "orders", "support_tickets", "survey_responses", "invoices")
ENTITIES = tuple(sorted(path.stem for path in (HERE / "entities").glob("*.sql")))


@dataclass(frozen=True)
class Size:
    """How many accounts there are at the end, and rows in all of what they cause."""

    accounts: int
    usage: int
    orders: int
    messages: int
    tickets: int
    surveys: int

    @staticmethod
    def of(accounts: int, usage: int, orders: int) -> Size:
        """The usual numbers of the rest for so many accounts."""
        return Size(accounts, usage, orders, messages=20 * accounts, tickets=4 * accounts, surveys=3 * accounts)


SIZES = {
    "s": Size.of(10_000, 1_000_000, 200_000),
    "m": Size.of(100_000, 20_000_000, 2_000_000),
    "l": Size.of(1_000_000, 100_000_000, 20_000_000),
}


class Generator:
    """Writes the rows of one size; `skewed_share` of all usage is the first account's."""

    def __init__(self, size: Size, skewed_share: float = 0, threads: int | None = None) -> None:
        self.connection = duckdb.connect(config={"threads": threads} if threads else {})
        self.connection.execute("set TimeZone = 'UTC'")
        # one account's rows of a day are spread over ten features of as many contacts as that takes
        contacts = 4 + -(-int(size.usage * skewed_share) // DAYS // 10)
        for name, value in {
            **vars(size), "days": DAYS, "skewed_share": skewed_share,
            "skewed_contacts": contacts if skewed_share else 0, "from_day": BEFORE, "to_day": DAYS,
        }.items():  # fmt: skip
            self.connection.execute(f"set variable {name} = {value!r}")
        self.connection.execute((HERE / "base.sql").read_text(encoding="utf-8"))

    def rows(self, entity: str, from_day: int = BEFORE, to_day: int = DAYS) -> duckdb.DuckDBPyRelation:
        """The rows of an entity recorded within days of the history, with the fault planted in each, if any."""
        self.connection.execute(f"set variable from_day = {from_day}; set variable to_day = {to_day}")
        return self.connection.sql(query(entity))

    def write(self, entity: str, path: Path, from_day: int, to_day: int) -> None:
        """Writes what was recorded within days of an entity; no file where there is nothing."""
        self.connection.execute(f"set variable from_day = {from_day}; set variable to_day = {to_day}")
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}")  # a name the project does not read
        (written,) = self.connection.execute(
            f"copy (select * exclude (planted) from ({query(entity)}) as made) to '{partial}' (format parquet)"
        ).fetchone() or (0,)
        if written:
            partial.rename(path)
        else:
            partial.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()


def query(entity: str) -> str:
    """The query that makes an entity's rows."""
    return (HERE / "entities" / f"{entity}.sql").read_text(encoding="utf-8")


def day_number(day: date) -> int:
    """How many days after the first of the history."""
    return (day - FIRST_DAY).days


def months() -> Iterator[tuple[str, int, int]]:
    """The months of the history: name, first day, first day of the next."""
    first = FIRST_DAY
    while first < AS_OF:
        following = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield f"{first:%Y-%m}", day_number(first), day_number(following)
        first = following


def write_history(folder: Path, size: Size, skewed_share: float = 0, threads: int | None = None) -> None:
    """Writes everything recorded before AS_OF."""
    generator = Generator(size, skewed_share, threads)
    for entity in ENTITIES:
        if entity in BY_MONTH:
            for month, from_day, to_day in months():
                generator.write(entity, folder / entity / f"recorded_{month}.parquet", from_day, to_day)
        else:
            generator.write(entity, folder / entity / "recorded_before.parquet", BEFORE, DAYS)


def write_day(folder: Path, size: Size, later_days: int, skewed_share: float = 0, threads: int | None = None) -> date:
    """Writes what one more day brought: 0 is AS_OF itself. Gives the as-of date that first knows of it."""
    if not 0 <= later_days <= MOST_LATER_DAYS:
        raise ValueError(f"{later_days} days after the history; 0 to {MOST_LATER_DAYS} can be written")
    generator = Generator(size, skewed_share, threads)
    day = AS_OF + timedelta(days=later_days)
    for entity in ENTITIES:
        number = day_number(day)
        generator.write(entity, folder / entity / f"recorded_{day}.parquet", number, number + 1)
    return day + timedelta(days=1)
