"""A comparison as one HTML file that asks for nothing else.

What runs, evaluations and configurations say is escaped by the template, all of it; pictures and
charts are images in data URLs, in which no script runs. The page's policy forbids all else.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from vidgan_core import __version__
from vidgan_evaluation.comparison import Comparison, figure, floor
from vidgan_evaluation.plots import COLOURS, bars_chart, curves_chart
from vidgan_evaluation.sample_clips import ClipSample

CELL = 88  # pixels of a clip, whatever its own size
COLUMNS = 3
MOST_CURVES = 6  # the others are in the table
LOSSES = ("discriminator/loss", "generator/loss")
ARROWS = {"lower": "↓", "higher": "↑"}


def render(comparison: Comparison, films: Sequence[ClipSample], command: str) -> str:
    """Return the page."""
    entries = comparison.entries
    folder = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=folder, autoescape=True, undefined=StrictUndefined)
    return environment.get_template("compare.html").render(
        title=f"{len(entries)} runs compared" if len(entries) > 1 else "A run",
        networks=sorted({t.name for e in entries for t in e.config.networks.values()}),
        data=sorted({entry.config.data.name for entry in entries}),
        runs=list(_runs(comparison)),
        numbers=[_number_row(comparison, name) for name in comparison.numbers],
        shared=_shared(comparison),
        films=list(_films(films)),
        learning=_learning(comparison),
        losses=_base64(curves_chart(comparison, LOSSES)),
        bars=_base64(bars_chart(comparison)) if comparison.numbers else "",
        differences=comparison.config_differences(),
        version=__version__,
        command=command,
    )


def _runs(comparison: Comparison) -> Iterator[dict[str, str]]:
    for entry, shade in zip(comparison.entries, cycle(COLOURS), strict=False):
        steps, minutes = f"{entry.step:,}", f"{entry.seconds / 60:.1f}"
        yield {"label": entry.label, "shade": shade, "steps": steps, "minutes": minutes}


def _number_row(comparison: Comparison, name: str) -> dict[str, Any]:
    of_runs = comparison.numbers[name]
    one = next(iter(of_runs.values()))
    best = comparison.best(name)
    labels = [entry.label for entry in comparison.entries]
    return {
        "name": name,
        "arrow": ARROWS[one.better],
        "cells": [
            (figure(of_runs[label]) if label in of_runs else "-", label == best) for label in labels
        ],
        "floor": floor(of_runs),
        "protocol": one.protocol,
    }


def _shared(comparison: Comparison) -> dict[str, Any]:
    """Return what the protocols of all numbers share beside what the table says."""
    numbers = [next(iter(of_runs.values())) for of_runs in comparison.numbers.values()]
    if not numbers:
        return {}
    hashes = {(n.name.rpartition("-")[2], n.features[:12]) for n in numbers if n.features}
    first = numbers[0]
    return {
        "features": sorted(hashes),
        "data": first.data[:12],
        "split": first.split,
        "version": first.version,
    }


def _films(films: Sequence[ClipSample]) -> Iterator[dict[str, str]]:
    """Yield the films with the colour of each run as in the charts; the real clips have none."""
    colours = cycle(COLOURS)
    for film in films:
        shade = next(colours) if film.mark else ""
        yield {"label": film.label, "note": film.note, "shade": shade, "webp": _webp(film)}


def _webp(film: ClipSample) -> str:
    """Return clips (B, T, H, W, 3) as a grid that plays, in base64."""
    images = [Image.fromarray(frame) for frame in _grid(film)]
    file = io.BytesIO()
    images[0].save(
        file,
        "WEBP",
        save_all=True,
        append_images=images[1:],
        duration=round(1000 / film.fps),
        loop=0,
        quality=82,
        method=4,
    )
    return base64.b64encode(file.getvalue()).decode()


def _grid(film: ClipSample) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Lay clips out in rows of `COLUMNS`, each frame scaled to `CELL` pixels, with thin gaps."""
    count, length = film.clips.shape[:2]
    rows = -(-count // COLUMNS)
    step = CELL + 2
    sheet = np.full((length, rows * step - 2, COLUMNS * step - 2, 3), 255, np.uint8)
    for number, clip in enumerate(film.clips):
        top, left = (place * step for place in divmod(number, COLUMNS))
        for time, frame in enumerate(clip):
            scaled = Image.fromarray(frame).resize((CELL, CELL), Image.Resampling.BICUBIC)
            sheet[time, top : top + CELL, left : left + CELL] = np.asarray(scaled)
    return sheet


def _learning(comparison: Comparison) -> dict[str, Any] | None:
    """Return the chart of what has moved along training, and by which protocols it is."""
    names = [name for name in comparison.curves if _moves(comparison, name)][:MOST_CURVES]
    if not names:
        return None
    svg = _base64(curves_chart(comparison, names))
    return {"svg": svg, "protocols": list(_curve_protocols(comparison, names))}


def _curve_protocols(comparison: Comparison, names: Sequence[str]) -> Iterator[str]:
    """Yield by which protocol each curve is."""
    for name in names:
        yield next(n.protocol for of in comparison.curves[name].values() for n in of.values())


def _moves(comparison: Comparison, name: str) -> bool:
    """Has a number changed while a run was trained?"""
    of_runs = comparison.curves[name].values()
    return any(len({number.value for number in curve.values()}) > 1 for curve in of_runs)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
