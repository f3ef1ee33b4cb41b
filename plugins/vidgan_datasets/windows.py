"""Which frames make up which window of a film. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidgan_core.media.read import Times

Short = Literal["skip", "loop", "hold"]


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of `frames` frames, every `stride`-th of the film's, or of the film at `fps`.

    Window k of a film begins at its frame k * `hop`. A film of too few frames has no window, or
    with `short` one: it starts again ("loop") or stands still at its end ("hold").
    """

    frames: int
    stride: int = 1
    fps: float = 0
    hop: int = 1
    short: Short = "skip"

    @property
    def span(self) -> int:
        """How many frames a window reaches over."""
        return (self.frames - 1) * self.stride + 1

    def length(self, count: int, times: str) -> int:
        """Return how many frames a film of `count` frames has at the wanted rate."""
        return len(_at_rate(times, self.fps)) if self.fps and times else count

    def count(self, count: int, times: str) -> int:
        """Return how many windows a film has."""
        room = self.length(count, times) - self.span
        return room // self.hop + 1 if room >= 0 else int(self.short != "skip")

    def numbers(self, window: int, count: int, times: str) -> NDArray[np.int64]:
        """Return the numbers of a window's frames in the film's file, (T,)."""
        places = window * self.hop + self.stride * np.arange(self.frames, dtype=np.int64)
        length = self.length(count, times)
        places = places % length if self.short == "loop" else np.minimum(places, length - 1)
        return _at_rate(times, self.fps)[places] if self.fps and times else places


@lru_cache(maxsize=256)
def _at_rate(times: str, fps: float) -> NDArray[np.int64]:
    parsed = Times.parse(times)
    assert parsed
    return parsed.at_rate(fps)
