"""A comparison as one HTML file that asks for nothing else.

What runs, evaluations and configurations say is escaped by the template, all of it; pictures and
charts are images in data URLs, in which no script runs. The page's policy forbids all else.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from vidgan_core import __version__
from vidgan_evaluation.clip_images import moving, still
from vidgan_evaluation.comparison import Comparison, figure, floor
from vidgan_evaluation.plots import ARROWS, COLOURS, bars_chart, curves_chart
from vidgan_evaluation.result import FIRST, Result, rank
from vidgan_evaluation.sample_clips import ClipSample

MOST_CURVES = 6  # the others are in the table
LOSSES = ("discriminator/loss", "generator/loss")
WORDS = {"lower": "lower is better", "higher": "higher is better", "real": "as real clips is best"}


def render(comparison: Comparison, samples: Sequence[ClipSample], command: str) -> str:
    """Return the page."""
    entries, numbers = comparison.entries, comparison.numbers
    folder = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=folder, autoescape=True, undefined=StrictUndefined)
    first = [name for name in numbers if rank(name)[0] < len(FIRST)] or list(numbers)[:8]
    return environment.get_template("compare.html").render(
        title=f"{len(entries)} runs compared" if len(entries) > 1 else "A run",
        networks=sorted({t.name for e in entries for t in e.config.networks.values()}),
        data=sorted({entry.config.data.name for entry in entries}),
        runs=list(_runs(comparison)),
        first=[_row(comparison, name) for name in first],
        rest=[_row(comparison, name) for name in numbers if name not in first],
        shared=_shared(comparison),
        unevaluated=[str(entry.folder.path) for entry in entries if not entry.evaluations],
        samples=list(_samples(samples)),
        learning=_learning(comparison),
        losses=_base64(curves_chart(comparison, LOSSES)),
        bars=_base64(bars_chart(comparison)) if numbers else "",
        values="; ".join(_values(comparison, first)),
        differences=comparison.config_differences(),
        version=__version__,
        command=command,
    )


def _runs(comparison: Comparison) -> Iterator[dict[str, str]]:
    for entry, shade in zip(comparison.entries, cycle(COLOURS), strict=False):
        steps, minutes = f"{entry.step:,}", f"{entry.seconds / 60:.1f}"
        yield {"label": entry.label, "shade": shade, "steps": steps, "minutes": minutes}


def _row(comparison: Comparison, name: str) -> dict[str, Any]:
    of_runs = comparison.numbers[name]
    one = next(iter(of_runs.values()))
    best = comparison.best(name)
    labels = [entry.label for entry in comparison.entries]
    return {
        "name": name,
        "arrow": ARROWS[one.better],
        "meaning": WORDS[one.better],
        "cells": [
            (figure(of_runs[label]) if label in of_runs else "-", label == best) for label in labels
        ],
        "floor": floor(of_runs),
        "train": "-" if one.train is None else f"{one.train:.4g}",
    }


def _ones(comparison: Comparison) -> list[Result]:
    """Return one result of each number: what it shares with those of the other runs."""
    return [next(iter(of_runs.values())) for of_runs in comparison.numbers.values()]


def _shared(comparison: Comparison) -> dict[str, Any]:
    """Return what the protocols of all numbers share, and those that are others."""
    results = _ones(comparison)
    if not results:
        return {}
    first = results[0]
    usual = Counter(_protocol(result) for result in results).most_common(1)[0][0]
    return {
        "protocol": usual,
        "others": [result.protocol for result in results if _protocol(result) != usual],
        "features": sorted({(_suffix(r.name), r.features[:12]) for r in results if r.features}),
        "data": first.data[:12],
        "split": first.split,
        "version": first.version,
    }


def _protocol(result: Result) -> str:
    """Return a protocol without the number's name: frames, size and count of clips, options."""
    return result.protocol.partition("@")[2]


def _suffix(name: str) -> str:
    return name.rpartition("-")[2]


def _samples(samples: Sequence[ClipSample]) -> Iterator[dict[str, str]]:
    """Yield clips with the colour of each run as in the charts; the real clips have none."""
    colours = cycle(COLOURS)
    for sample in samples:
        shade = next(colours) if sample.mark else ""
        images = {"moving": moving(sample), "still": still(sample)}
        yield {"label": sample.label, "note": sample.note, "shade": shade, **images}


def _learning(comparison: Comparison) -> dict[str, Any] | None:
    """Return the chart of what has moved along training, and by which protocols it is."""
    names = [name for name in comparison.curves if _moves(comparison, name)][:MOST_CURVES]
    if not names:
        return None
    found = [next(r for of in comparison.curves[n].values() for r in of.values()) for n in names]
    return {
        "svg": _base64(curves_chart(comparison, names)),
        "protocols": sorted({_protocol(result) for result in found}),
        "words": "; ".join(_courses(comparison, names)),
    }


def _courses(comparison: Comparison, names: Iterable[str]) -> Iterator[str]:
    """Yield in words how each number moves along each run."""
    for name in names:
        for label, curve in comparison.curves[name].items():
            first, last = curve[min(curve)].value, curve[max(curve)].value
            yield f"{name} of {label} from {first:.3g} to {last:.3g}"


def _values(comparison: Comparison, names: Iterable[str]) -> Iterator[str]:
    """Yield in words what the bars show."""
    for name in names:
        found = comparison.numbers[name].items()
        yield f"{name}: " + ", ".join(f"{label} {result.value:.3g}" for label, result in found)


def _moves(comparison: Comparison, name: str) -> bool:
    """Has a number changed while a run was trained?"""
    of_runs = comparison.curves[name].values()
    return any(len({number.value for number in curve.values()}) > 1 for curve in of_runs)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
