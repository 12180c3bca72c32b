"""Pictures of the customer value models beside what they were fitted to, from the marts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .plots import FAINT, INK
from .warehouse import NoMarts, connect, rows

ACTUAL, MODEL, AFTER = "#0b6373", "#d1495b", "#f3f6f8"

TRACKING = """
select week_number, is_holdout, actual_repeat_purchases, expected_repeat_purchases
from {marts}.clv_tracking
where as_of_date = (select min(as_of_date) from {marts}.clv_tracking where expected_repeat_purchases is not null)
order by week_number
"""

EXPECTATIONS = """
select
    group_value, window_days, customers,
    predicted_purchases / customers as predicted, actual_purchases / customers as actual
from {marts}.clv_backtest
where
    grouping_kind = 'repeat_purchases'
    and as_of_date = (
        select min(as_of_date) from {marts}.clv_backtest where grouping_kind = 'repeat_purchases' and customers > 0
    )
order by group_value
"""

SURVIVAL = """
select segment_value, period, period_months, at_risk, survival, fitted_survival, model
from {marts}.clv_survival
where
    model_status = 'converged'
    and period_months = coalesce(?, (
        select max_by(period_months, at_risk) from {marts}.clv_survival where segment_value = 'all' and period = 1
    ))
    and period <= (
        select 1.5 * max(seen.period) + 1 from {marts}.clv_survival as seen
        where seen.at_risk is not null and seen.period_months = clv_survival.period_months
    )
order by segment_value <> 'all', segment_value, period
"""


def tracking(database: Path, out: Path, marts: str = "marts", label: str = "") -> Path:
    """Draws cumulative repeat purchases and those BG/NBD expects, with the hold-out of the earliest fit."""
    weeks = _read(database, TRACKING, marts, "There is no fit of BG/NBD to track.")
    figure, axes = _figure(
        "Repeat purchases, cumulated", f"{label}{', ' if label else ''}by week since the first purchase"
    )
    numbers = [row["week_number"] for row in weeks]
    held_out = [row["week_number"] for row in weeks if row["is_holdout"]]
    if held_out:
        axes.axvspan(min(held_out) - 0.5, max(numbers), color=AFTER, zorder=0)
        axes.text(
            min(held_out),
            0.02,
            " after the date of the fit",
            transform=axes.get_xaxis_transform(),
            color=FAINT,
            fontsize=9,
        )
    axes.plot(numbers, [row["actual_repeat_purchases"] for row in weeks], color=ACTUAL, linewidth=2, label="actual")
    axes.plot(
        numbers, [row["expected_repeat_purchases"] for row in weeks], color=MODEL, linewidth=2, linestyle="--",
        label="expected by BG/NBD",
    )  # fmt: skip
    axes.set_xlim(0, max(numbers))
    axes.set_ylim(0)
    axes.set_xlabel("week", color=FAINT)
    axes.legend(frameon=False, loc="upper left")
    return _save(figure, out)


def expectations(database: Path, out: Path, marts: str = "marts", label: str = "") -> Path:
    """Draws purchases in the hold-out per customer, by repeat purchases before it: expected beside actual."""
    groups = _read(database, EXPECTATIONS, marts, "There is no backtest of customers without contract.")
    figure, axes = _figure(
        f"Purchases in the {groups[0]['window_days']} days after the fit",
        f"{label}{', ' if label else ''}per customer, by repeat purchases before it",
    )
    places = range(len(groups))
    axes.bar([x - 0.2 for x in places], [row["actual"] for row in groups], 0.4, color=ACTUAL, label="actual")
    axes.bar(
        [x + 0.2 for x in places], [row["predicted"] for row in groups], 0.4, color=MODEL, label="expected by BG/NBD"
    )
    axes.set_xticks(list(places), [f"{row['group_value']}\n{row['customers']:,}" for row in groups])
    axes.set_xlabel("repeat purchases before the fit, and customers", color=FAINT)
    axes.legend(frameon=False, loc="upper left")
    return _save(figure, out)


def survival(
    database: Path, out: Path, marts: str = "marts", label: str = "", period_months: int | None = None, limit: int = 4
) -> Path:
    """Draws Kaplan-Meier survival by renewal period and the fitted model, for the whole and the largest segments."""
    curves = _read(database, SURVIVAL, marts, "There is no fitted survival of contract customers.", period_months)
    months = curves[0]["period_months"]
    first = {row["segment_value"]: row["at_risk"] or 0 for row in reversed(curves)}
    segments = ["all", *sorted((name for name in first if name != "all"), key=lambda name: -first[name])][: limit + 1]
    period = "month" if months == 1 else "year" if months == 12 else f"{months} months"
    figure, axes = _figure(
        "Contract customers still there",
        f"{label}{', ' if label else ''}share by renewals ({period}); points: Kaplan-Meier, lines: fitted",
    )
    colours = [INK, "#2f9c95", "#d1495b", "#e0a030", "#6a4c93", "#4f6d7a"]
    for colour, segment in zip(colours, segments, strict=False):
        rows_of = [row for row in curves if row["segment_value"] == segment]
        seen = [row for row in rows_of if row["survival"] is not None]
        name = f"{segment} ({first[segment]:,})"
        axes.plot([row["period"] for row in seen], [row["survival"] for row in seen], "o", color=colour, markersize=4)
        axes.plot(
            [0, *(row["period"] for row in rows_of)], [1, *(row["fitted_survival"] for row in rows_of)],
            color=colour, linewidth=2.2 if segment == "all" else 1.3, label=name,
        )  # fmt: skip
    axes.set_ylim(0, 1.02)
    axes.set_xlim(0)
    axes.set_xlabel(f"renewal periods ({period})", color=FAINT)
    axes.legend(frameon=False, loc="upper right")
    return _save(figure, out)


def _read(database: Path, sql: str, marts: str, absent: str, *parameters: Any) -> list[dict[str, Any]]:
    with connect(database) as connection:
        found = rows(connection, sql.format(marts=f'"{marts}"'), *parameters)
    if not found:
        raise NoMarts(absent)
    return found


def _figure(title: str, subtitle: str) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams["font.family"] = "DejaVu Sans"
    figure, axes = plt.subplots(figsize=(8, 4.6), dpi=130)
    figure.text(0.02, 0.965, title, ha="left", va="top", fontsize=15, color=INK, fontweight="bold")
    figure.text(0.02, 0.895, subtitle, ha="left", va="top", fontsize=10, color=FAINT)
    figure.subplots_adjust(top=0.82, left=0.08, right=0.98, bottom=0.14)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=FAINT)
    return figure, axes


def _save(figure: Any, out: Path) -> Path:
    import matplotlib.pyplot as plt

    out.parent.mkdir(parents=True, exist_ok=True)
    # no software version in the file: the same marts give the same picture
    figure.savefig(out, facecolor="white", metadata={"Software": None})
    plt.close(figure)
    return out
