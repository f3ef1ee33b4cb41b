"""Clips as pictures: a grid that plays, and a contact sheet."""

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


def _enlarge(pictures: Frames, longest: int) -> Frames:
    """Repeat the pixels of pictures (..., H, W, 3) as often as fits into `longest`."""
    factor = max(1, longest // max(pictures.shape[-3:-1]))
    return pictures.repeat(factor, axis=-3).repeat(factor, axis=-2)
