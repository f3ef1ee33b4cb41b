"""Curves of a run's numbers, as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Series = Mapping[str, Sequence[tuple[float, float]]]

_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b")
_INK, _GRID = "#333333", "#dddddd"


def curves(panels: Mapping[str, Series], *, xlabel: str = "step") -> NDArray[np.uint8]:
    """Draw line plots, one panel above another: title -> name -> [(x, y), ...]."""
    width, height = 900, 320
    canvas = Image.new("RGB", (width, height * len(panels)), "white")
    for row, (title, series) in enumerate(panels.items()):
        panel = _panel(title, series, xlabel, width, height)
        canvas.paste(panel, (0, row * height))
    return np.asarray(canvas)


def _panel(title: str, series: Series, xlabel: str, width: int, height: int) -> Image.Image:
    panel = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(panel)
    font = ImageFont.load_default(13)
    left, top, right, bottom = 70, 34, width - 20, height - 44
    points = [p for line in series.values() for p in line if math.isfinite(p[1])]
    (x0, x1), (y0, y1) = _span([p[0] for p in points]), _span([p[1] for p in points])

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + (x - x0) / (x1 - x0) * (right - left),
            bottom - (y - y0) / (y1 - y0) * (bottom - top),
        )

    for y in _ticks(y0, y1):
        draw.line([place(x0, y), place(x1, y)], fill=_GRID)
        draw.text((left - 6, place(x0, y)[1]), f"{y:g}", fill=_INK, font=font, anchor="rm")
    for x in _ticks(x0, x1):
        draw.text((place(x, y0)[0], bottom + 6), f"{x:g}", fill=_INK, font=font, anchor="mt")
    draw.rectangle([left, top, right, bottom], outline=_INK)
    draw.text((left, 8), title, fill=_INK, font=ImageFont.load_default(16))
    draw.text((right, height - 20), xlabel, fill=_INK, font=font, anchor="rt")
    at = float(right)
    for (name, line), colour in reversed(list(zip(series.items(), _COLOURS, strict=False))):
        finite = [place(x, y) for x, y in line if math.isfinite(y)]
        if len(finite) > 1:
            draw.line(finite, fill=colour, width=2, joint="curve")
        else:
            for x, y in finite:
                draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill=colour)
        draw.text((at, 10), name, fill=colour, font=font, anchor="rt")
        at -= draw.textlength(name, font=font) + 16
    return panel


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    pad = max((high - low) * 0.03, abs(high) * 1e-6) or 0.5
    return low - pad, high + pad


def _ticks(low: float, high: float) -> list[float]:
    """Return about six round values between the limits."""
    rough = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough)
    first = math.ceil(low / step)
    return [round(i * step, 10) for i in range(first, math.floor(high / step) + 1)]
