"""Pictures of the marts, for the README and for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .warehouse import NoMarts, connect, rows

MEASURES = {
    "logo": ("logo_retention", "Customers still active", "share of the cohort's customers"),
    "gross": ("gross_revenue_retention", "Revenue still there, without expansion", "share of the cohort's first MRR"),
    "net": ("net_revenue_retention", "Revenue still there, with expansion", "share of the cohort's first MRR"),
}

# The youngest cohorts that fit, whole triangle of months; the foot line weighs each cell by its cohort's start.
TRIANGLE = """
with cohorts as (
    select distinct cohort_start
    from {marts}.cohort_retention
    where
        relationship = 'contract' and cohort_grain = 'month' and segment_dimension = 'all' and segment_value = 'all'
        and customers_at_start > 0
    order by cohort_start desc
    limit ?
)

select
    cells.cohort_start, cells.period_index, cells.customers_at_start, cells.{measure} as share,
    sum(cells.{measure} * cells.{weight}) over (partition by cells.period_index)
        / nullif(sum(cells.{weight}) over (partition by cells.period_index), 0) as weighted_share,
    sum(cells.customers_at_start) over (partition by cells.period_index) as base
from {marts}.cohort_retention as cells
inner join cohorts on cells.cohort_start = cohorts.cohort_start
where
    cells.relationship = 'contract' and cells.cohort_grain = 'month'
    and cells.segment_dimension = 'all' and cells.segment_value = 'all'
order by cells.cohort_start, cells.period_index
"""

INK, FAINT = "#1f2d3d", "#6b7a8c"
LOW_TO_HIGH = ("#fbe9e1", "#fdf3df", "#dcefe9", "#8fcdc2", "#2f9c95", "#0b6373")


def cohorts(
    database: Path,
    out: Path,
    measure: str = "logo",
    limit: int = 18,
    marts: str = "marts",
    label: str = "",
    small_base: int = 30,
) -> Path:
    """Draws the monthly cohort triangle of contract customers as a heat map.

    Cells not yet observed stay blank; the foot line is bold where at least `small_base` customers stand behind it.
    """
    column, title, meaning = MEASURES[measure]
    weight = "customers_at_start" if measure == "logo" else "mrr_at_start"
    with connect(database) as connection:
        sql = TRIANGLE.format(marts=f'"{marts}"', measure=column, weight=weight)
        cells = rows(connection, sql, limit)
    if not cells:
        raise NoMarts("There is no monthly cohort of contract customers to draw.")
    subtitle = f"{label}{', ' if label else ''}{meaning}, by month since the first paid day (%)"
    _draw(cells, out, title, subtitle, small_base)
    return out


def _draw(cells: list[dict[str, Any]], out: Path, title: str, subtitle: str, small_base: int) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.patches import Rectangle

    starts = sorted({cell["cohort_start"] for cell in cells})
    sizes = {cell["cohort_start"]: cell["customers_at_start"] for cell in cells}
    foot = {cell["period_index"]: (cell["weighted_share"], cell["base"] >= small_base) for cell in cells}
    periods = max(foot) + 1
    shares = [float(cell["share"]) for cell in cells if cell["share"] is not None]
    colours = LinearSegmentedColormap.from_list("retention", LOW_TO_HIGH)
    # a cohort that has tripled should not make all others look alike
    scale = Normalize(vmin=max(0.2, min(0.5, *shares)), vmax=min(1.4, max(1.0, *shares)), clip=True)

    plt.rcParams["font.family"] = "DejaVu Sans"
    figure, axes = plt.subplots(figsize=(2.4 + 0.62 * periods, 1.9 + 0.40 * (len(starts) + 1)), dpi=130)

    def cell_at(x: float, y: float, share: Any, bold: bool = False) -> None:
        if share is None:
            return
        red, green, blue, _ = colours(scale(float(share)))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.56
        axes.add_patch(Rectangle((x, y), 1, 1, facecolor=(red, green, blue), edgecolor="white", linewidth=1.6))
        axes.text(
            x + 0.5, y + 0.52, f"{100 * float(share):.0f}", ha="center", va="center", fontsize=9,
            color="white" if dark else INK, fontweight="bold" if bold else "normal",
        )  # fmt: skip

    for cell in cells:
        cell_at(cell["period_index"], starts.index(cell["cohort_start"]), cell["share"])
    for index, start in enumerate(starts):
        axes.text(-1.25, index + 0.52, f"{start:%b %Y}", ha="right", va="center", fontsize=9, color=INK)
        axes.text(-0.25, index + 0.52, f"{sizes[start]:,}", ha="right", va="center", fontsize=9, color=FAINT)
    below = len(starts) + 0.35
    for index, (share, is_large) in foot.items():
        cell_at(index, below, share, bold=is_large)
    axes.text(-0.25, below + 0.52, "all, weighted", ha="right", va="center", fontsize=9, color=INK, fontweight="bold")
    for index in range(periods):
        axes.text(index + 0.5, -0.28, f"{index}", ha="center", va="center", fontsize=9, color=FAINT)
    axes.text(-1.25, -0.28, "cohort", ha="right", va="center", fontsize=9, color=FAINT)
    axes.text(-0.25, -0.28, "size", ha="right", va="center", fontsize=9, color=FAINT)

    axes.text(-3.1, -1.75, title, ha="left", va="center", fontsize=15, color=INK, fontweight="bold")
    axes.text(-3.1, -1.08, subtitle, ha="left", va="center", fontsize=10, color=FAINT)
    axes.set_xlim(-3.2, periods + 0.1)
    axes.set_ylim(below + 1.1, -2.2)
    axes.axis("off")
    out.parent.mkdir(parents=True, exist_ok=True)
    # no software version in the file: the same marts give the same picture
    figure.savefig(out, bbox_inches="tight", pad_inches=0.25, facecolor="white", metadata={"Software": None})
    plt.close(figure)
