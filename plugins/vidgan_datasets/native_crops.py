"""Cuts of frames that keep the resolution of their video. Free of torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidgan_core.media.frames import Frames

Place = tuple[float, float]  # fractions of the room below and right of a cut


def native_size(height: int, width: int, least_height: int, least_width: int) -> tuple[int, int]:
    """Return the size at which a video is kept: its own, or what covers the least size."""
    scale = max(1.0, least_height / height, least_width / width)
    return max(least_height, round(height * scale)), max(least_width, round(width * scale))


def cut(
    frames: Frames, wanted: NDArray[np.int64], height: int, width: int, place: Place | None
) -> Frames:
    """Return some frames, cut at a place; None: they are of the right size already."""
    if place is None:
        return frames[wanted]
    rooms = (frames.shape[1] - height, frames.shape[2] - width)
    top, left = (int(room * share) for room, share in zip(rooms, place, strict=True))
    return frames[wanted, top : top + height, left : left + width]
