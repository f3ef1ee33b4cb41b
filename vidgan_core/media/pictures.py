"""Clips as pictures: a grid that plays, a contact sheet, and the curves of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from vidgan_core.media.frames import Frames
from vidgan_core.media.pixels import to_uint8
from vidgan_core.media.still import composite

Series = Mapping[str, Sequence[tuple[float, float]]]

_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b")
MOST_LETTERS = 24  # of a label
_INK, _GRID = "#333333", "#dddddd"


def to_frames(video: Tensor) -> Frames:
    """Turn clips (B, C, T, H, W) in [-1, 1] into frames (B, T, H, W, 3), alpha over black."""
    frames = to_uint8(video).permute(0, 2, 3, 4, 1).cpu().numpy()
    if frames.shape[-1] == 4:
        return composite(frames, (0, 0, 0))
    return np.repeat(frames, 3, axis=-1) if frames.shape[-1] == 1 else frames[..., :3]


def grid(clips: Frames, *, longest: int = 512) -> Frames:
    """Lay clips (B, T, H, W, 3) out in a near-square grid: one video (T, H', W', 3).

    Small clips are enlarged by whole pixels towards `longest`, so that they are large enough
    and that the half-resolution colours of mp4 do not blur them.
    """
    count, length, height, width, _ = clips.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    cells = np.zeros((rows * columns, *clips.shape[1:]), np.uint8)
    cells[:count] = clips
    # (rows*columns, T, H, W, 3) -> (T, rows*H, columns*W, 3)
    video = cells.reshape(rows, columns, length, height, width, 3).transpose(2, 0, 3, 1, 4, 5)
    video = video.reshape(length, rows * height, columns * width, 3)
    return _enlarge(video, longest)


def contact_sheet(
    clips: Frames, *, columns: int = 8, longest: int = 1024, labels: Sequence[str] = ()
) -> NDArray[np.uint8]:
    """Show one clip a row, `columns` of its frames from first to last: a picture (H', W', 3).

    `labels`, one a clip, stand in a margin on the left.
    """
    times = np.linspace(0, clips.shape[1] - 1, min(columns, clips.shape[1])).round().astype(int)
    shown = clips[:, times]
    count, length, height, width, _ = shown.shape
    # (B, columns, H, W, 3) -> (B*H, columns*W, 3)
    sheet = shown.transpose(0, 2, 1, 3, 4).reshape(count * height, length * width, 3)
    sheet = _enlarge(sheet, longest)
    return np.concatenate([_margin(labels, len(sheet)), sheet], axis=1) if labels else sheet


def _margin(labels: Sequence[str], height: int) -> NDArray[np.uint8]:
    """Write labels below one another, each in the middle of its share of the height."""
    font, room = ImageFont.load_default(13), height / len(labels)
    short = [
        label if len(label) <= MOST_LETTERS else label[:MOST_LETTERS] + "..." for label in labels
    ]
    width = math.ceil(max(font.getlength(label) for label in short)) + 16
    margin = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(margin)
    for row, label in enumerate(short):
        draw.text((width - 8, (row + 0.5) * room), label, fill=_INK, font=font, anchor="rm")
    return np.asarray(margin)


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


def _enlarge(pictures: Frames, longest: int) -> Frames:
    """Repeat the pixels of pictures (..., H, W, 3) as often as fits into `longest`."""
    factor = max(1, longest // max(pictures.shape[-3:-1]))
    return pictures.repeat(factor, axis=-3).repeat(factor, axis=-2)
