"""Clips as images for a page: a grid that plays, and its first frame."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from vidgan_evaluation.sample_clips import ClipSample

CELL = 88  # pixels of a clip, whatever its own size
COLUMNS = 3

Sheet = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


def moving(sample: ClipSample) -> str:
    """Return clips (B, T, H, W, 3) as an animated WebP in base64."""
    return _webp(grid(sample), round(1000 / sample.fps))


def still(sample: ClipSample) -> str:
    """Return the first frames of clips as a WebP in base64."""
    return _webp(grid(sample)[:1], 0)


def _webp(sheet: Sheet, milliseconds: int) -> str:
    first, *others = [Image.fromarray(frame) for frame in sheet]
    more = {"save_all": True, "append_images": others, "loop": 0} if others else {}
    file = io.BytesIO()
    first.save(file, "WEBP", duration=milliseconds, quality=82, method=4, **more)
    return base64.b64encode(file.getvalue()).decode()


def grid(sample: ClipSample) -> Sheet:
    """Lay clips out in rows of `COLUMNS`, each frame scaled to `CELL` pixels, with thin gaps."""
    count, length = sample.clips.shape[:2]
    rows = -(-count // COLUMNS)
    step = CELL + 2
    sheet = np.full((length, rows * step - 2, COLUMNS * step - 2, 3), 255, np.uint8)
    for number, clip in enumerate(sample.clips):
        top, left = (place * step for place in divmod(number, COLUMNS))
        for time, frame in enumerate(clip):
            scaled = Image.fromarray(frame).resize((CELL, CELL), Image.Resampling.BICUBIC)
            sheet[time, top : top + CELL, left : left + CELL] = np.asarray(scaled)
    return sheet
