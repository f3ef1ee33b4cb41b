"""Classical filters of clips (..., T, H, W): a Gaussian in space, mean and median in time.

Every sum is elementwise, in the same order on every machine: no BLAS, whose last digits vary.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def gaussian(video: NDArray[Any], sigma: float | tuple[float, float], *, every: int = 1) -> Floats:
    """Blur rows and columns with a Gaussian of `sigma` pixels, or of (vertical, horizontal) ones.

    With `every` only the middle of each block of so many rows and columns is returned: (..., T,
    H/every, W/every). Frames are mirrored at their borders.
    """
    down, across = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    return _blurred(_blurred(video, down, -2, every), across, -1, every)


def _blurred(video: NDArray[Any], sigma: float, axis: int, every: int) -> Floats:
    """Blur along an axis: a weighted sum of shifted copies."""
    middle = (every - 1) / 2
    reach = math.ceil(3 * sigma)
    offsets = np.arange(math.floor(middle) - reach, math.ceil(middle) + reach + 1)
    weights = np.exp(-((offsets - middle) ** 2) / (2 * max(sigma, 1e-6) ** 2))
    weights /= weights.sum()
    count = video.shape[axis] // every
    margins = [(0, 0)] * video.ndim
    margins[axis] = (max(0, -int(offsets[0])), max(0, int(offsets[-1]) - every + 1))
    padded = np.moveaxis(np.pad(video, margins, "reflect"), axis, 0).astype(np.float32)
    starts = offsets - min(0, offsets[0])
    total = np.zeros((count, *padded.shape[1:]), np.float32)
    for start, weight in zip(starts.tolist(), weights.astype(np.float32), strict=True):
        total += weight * padded[start : start + every * count : every]
    return np.moveaxis(total, 0, axis)


def temporal(video: NDArray[Any], reach: int = 1) -> Floats:
    """Return each frame with its neighbours in time, (2 * reach + 1, ..., T, H, W).

    Beyond its ends a clip stands still.
    """
    length = video.shape[-3]
    times = np.arange(length)
    near = [(times + offset).clip(0, length - 1) for offset in range(-reach, reach + 1)]
    return np.stack([np.take(video, places, axis=-3) for places in near]).astype(np.float32)
