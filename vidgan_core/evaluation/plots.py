"""Charts, drawn by matplotlib (the extra `plots`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidgan_core.errors import ComponentError

if TYPE_CHECKING:
    from vidgan_core.evaluation.sanity import Check

INK, GRID = "#222222", "#dddddd"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999")
STYLE: Any = {  # after Okabe & Ito's colours, which all eyes tell apart
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.titlesize": 10,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "vidgan",
}


def pyplot() -> Any:
    """Return matplotlib's pyplot, without a display. Raises ComponentError if it is missing."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise ComponentError(
            "the charts need matplotlib", hint="pip install 'vidgan[plots]'"
        ) from None
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams.update(STYLE)
    return plt


def sanity_chart(check: Check, path: Path) -> None:
    """Draw, a panel a defect, how many times its floor each distance is as the strength grows."""
    plt = pyplot()
    distances = sorted({name for by in check.seen.values() for name in by})
    defects = list(dict.fromkeys(row.defect for row in check.rows))
    columns = 4
    lines = -(-len(defects) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(2.6 * columns, 2.1 * lines), sharey=True, layout="constrained"
    )
    for axis, defect in zip(axes.flat, defects, strict=False):
        rows = [row for row in check.rows if row.defect == defect]
        for name, shade in zip(distances, COLOURS, strict=False):
            floor = max(check.clean[name], check.error[name])
            times = [max(row.values[name] / floor, 0.1) for row in rows]
            axis.plot(range(len(rows)), times, "o-", color=shade, label=name, markersize=3)
        axis.axhline(3, color=INK, linewidth=0.8, linestyle=":")
        axis.set(title=defect, yscale="log")
        axis.set_xticks(range(len(rows)), [f"{row.strength:g}" for row in rows])
    for axis in axes.flat[len(defects) :]:
        axis.set_axis_off()
    figure.supylabel("times the floor")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower right")
    figure.savefig(path, dpi=120)
    plt.close(figure)
