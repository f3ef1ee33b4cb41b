"""Clips, uint8 (C, T, H, W), and frames, uint8 (T, H, W, C): layout, rounding and resizing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidgan_core.media.frames import Frames

Clip = NDArray[np.uint8]  # (C, T, H, W)


def to_clip(frames: Frames) -> Clip:
    """Turn frames (T, H, W, C) into a clip (C, T, H, W)."""
    return np.ascontiguousarray(np.moveaxis(frames, -1, 0))


def to_frames(clip: Clip) -> Frames:
    """Turn a clip (C, T, H, W) into frames (T, H, W, C)."""
    return np.ascontiguousarray(np.moveaxis(clip, 0, -1))


def to_pixels(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Round grey levels to the nearest that a pixel can have."""
    rounded: NDArray[np.uint8] = np.rint(values).clip(0, 255).astype(np.uint8)
    return rounded


def resized(clip: Clip, height: int, width: int, filter: Image.Resampling) -> Clip:
    """Resize every frame (H, W) of a clip as Pillow does: antialiased where it gets smaller."""
    planes = clip.reshape(-1, *clip.shape[-2:])
    small = [np.asarray(Image.fromarray(p).resize((width, height), filter)) for p in planes]
    return np.stack(small).reshape(*clip.shape[:2], height, width)
