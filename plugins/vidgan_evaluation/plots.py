"""Charts, drawn by matplotlib (the extra `plots`)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidgan_core.errors import ComponentError, printable
from vidgan_evaluation.comparison import AXES, Comparison, Entry

if TYPE_CHECKING:
    from vidgan_evaluation.sanity_check import Check

INK, GRID = "#222222", "#dddddd"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999")
LONGEST = 60  # characters of a name
ARROWS = {"lower": "↓", "higher": "↑", "real": "→"}
TITLES = {"steps": "steps", "clips": "real clips trained on"}
STYLE: Any = {  # after Okabe & Ito's colours, which all eyes tell apart
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.titlesize": 10,
    "axes.grid": True,
    "axes.axisbelow": True,
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


def _label(name: str) -> str:
    """Return a name as it is drawn: no formula in it, of sensible length, printable."""
    short = name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
    return printable(short).replace("$", r"\$")


def sanity_chart(check: Check, path: Path) -> None:
    """Draw how many times its floor each distance is, a panel a degradation, by strength."""
    plt = pyplot()
    distances = sorted({name for by in check.ratios.values() for name in by})
    degradations = list(dict.fromkeys(row.degradation for row in check.rows))
    columns = 4
    lines = -(-len(degradations) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(2.6 * columns, 2.1 * lines), sharey=True, layout="constrained"
    )
    for axis, degradation in zip(axes.flat, degradations, strict=False):
        rows = [row for row in check.rows if row.degradation == degradation]
        for name, shade in zip(distances, COLOURS, strict=False):
            floor = max(check.clean[name], check.error[name])
            times = [max(row.values[name] / floor, 0.1) for row in rows]
            axis.plot(range(len(rows)), times, "o-", color=shade, label=name, markersize=3)
        axis.axhline(3, color=INK, linewidth=0.8, linestyle=":")
        axis.set(title=degradation, yscale="log")
        axis.set_xticks(range(len(rows)), [f"{row.strength:g}" for row in rows])
    for axis in axes.flat[len(degradations) :]:
        axis.set_axis_off()
    figure.supylabel("times the floor")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower right")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def curves_chart(comparison: Comparison, names: Sequence[str]) -> str:
    """Draw numbers against steps, clips and hours, a row a number; an SVG."""
    plt = pyplot()
    figure, axes = plt.subplots(
        len(names),
        len(AXES),
        figsize=(10.4, 1.9 * len(names) + 0.5),
        squeeze=False,
        sharey="row",
        layout="constrained",
    )
    for line, name in zip(axes, names, strict=True):
        for axis, along in zip(line, AXES, strict=True):
            for entry, shade in zip(comparison.entries, cycle(COLOURS), strict=False):
                _curve(axis, comparison, entry, name, along, shade)
            axis.set_xlabel(TITLES.get(along) or f"{_unit(comparison)[0]} of training")
            axis.margins(x=0.03)
        line[0].set_ylabel(_label(name))
    handles = [
        plt.Line2D([], [], color=shade, label=_label(entry.label))
        for entry, shade in zip(comparison.entries, cycle(COLOURS), strict=False)
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=5)
    return _svg(figure)


def _unit(comparison: Comparison) -> tuple[str, float]:
    """Return in what time is told, and how many seconds that is."""
    long = max(entry.seconds for entry in comparison.entries) > 3 * 3600
    return ("hours", 3600.0) if long else ("minutes", 60.0)


def _curve(
    axis: Any, comparison: Comparison, entry: Entry, name: str, along: str, shade: str
) -> None:
    """Draw one run's curve: of an evaluation with its error and floor, or of what is logged."""
    scale = _unit(comparison)[1] if along == "time" else 1.0
    if name not in comparison.curves:
        points = entry.scalar(name, along)
        axis.plot([x / scale for x, _ in points], [y for _, y in points], color=shade, linewidth=1)
        return
    numbers = comparison.curves[name].get(entry.label, {})
    places = [entry.place(step, along) / scale for step in numbers]
    values = [number.value for number in numbers.values()]
    errors = [number.error or 0.0 for number in numbers.values()]
    axis.errorbar(
        places, values, errors, color=shade, fmt="o-", markersize=3, linewidth=1.2, capsize=2
    )
    for number in list(numbers.values())[:1]:
        if number.floor is not None:
            axis.axhline(number.floor, color=INK, linewidth=0.8, linestyle=":")


def bars_chart(comparison: Comparison) -> str:
    """Draw the latest numbers as bars with their errors, the floor as a dotted line; an SVG."""
    plt = pyplot()
    names = list(comparison.numbers)
    columns = 4
    lines = -(-len(names) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(10.4, 2.1 * lines + 0.4), squeeze=False, layout="constrained"
    )
    shades = dict(zip((e.label for e in comparison.entries), cycle(COLOURS), strict=False))
    for axis, name in zip(axes.flat, names, strict=False):
        numbers = comparison.numbers[name]
        for place, label in enumerate(shades):
            if number := numbers.get(label):
                axis.bar(
                    place,
                    number.value,
                    0.7,
                    yerr=number.error,
                    color=shades[label],
                    capsize=3,
                    error_kw={"elinewidth": 1, "ecolor": INK},
                )
        floor = next((n.floor for n in numbers.values() if n.floor is not None), None)
        if floor is not None:
            axis.axhline(floor, color=INK, linewidth=1, linestyle=":")
        better = next(iter(numbers.values())).better
        axis.set_title(f"{_label(name)} {ARROWS[better]}")
        axis.set_xticks([])
        axis.grid(visible=False, axis="x")
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    handles = [
        plt.Rectangle((0, 0), 1, 1, color=shade, label=_label(la)) for la, shade in shades.items()
    ]
    handles.append(plt.Line2D([], [], color=INK, linewidth=1, linestyle=":", label="floor"))
    figure.legend(handles=handles, loc="outside lower left", ncols=5)
    return _svg(figure)


def _svg(figure: Any) -> str:
    """Return a figure as SVG, the same for the same numbers, and close it."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None}, transparent=True)
    pyplot().close(figure)
    return file.getvalue()
