"""How near results and classical methods are to the truth, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidgan_core.media.frames import Frames

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
PEAK = 255.0


class Scores:
    """PSNR in dB of full-range BT.601 luma of whole frames, no border left out, a number a frame.

    The mean over frames is that of the dB, as restoration papers give it.
    """

    def __init__(self) -> None:
        self._psnr: dict[str, list[float]] = {}

    def add(self, truth: Frames, answers: Mapping[str, Frames]) -> None:
        """Measure frames (T, H, W, C) against the truth."""
        wanted = luma(truth)
        for name, frames in answers.items():
            error = np.square(luma(frames) - wanted).mean(axis=(1, 2))
            psnr = 10 * np.log10(PEAK**2 / np.maximum(error, 1e-10))
            self._psnr.setdefault(name, []).extend(psnr.tolist())

    def means(self) -> Mapping[str, float]:
        """Return the mean PSNR of each method by name."""
        return {name: float(np.mean(values)) for name, values in self._psnr.items()}

    def kept(self) -> Mapping[str, Any]:
        """Return all numbers as plain values."""
        return self._psnr

    def restore(self, kept: Any) -> None:
        """Go on with the numbers that `kept` returned."""
        self._psnr = {str(name): list(map(float, values)) for name, values in (kept or {}).items()}


def luma(frames: Frames) -> NDArray[np.float64]:
    """Return the luma (T, H, W) in [0, 255] of frames (T, H, W, C)."""
    if frames.shape[-1] < 3:
        return frames[..., 0].astype(np.float64)
    return np.asarray(frames[..., :3] @ np.asarray(LUMA), np.float64)
