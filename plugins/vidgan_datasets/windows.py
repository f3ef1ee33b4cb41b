"""Which frames make up which window of a video. Free of torch."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidgan_core.media.timestamps import Resampled, Times

Short = Literal["skip", "loop", "hold"]


@dataclass(frozen=True, slots=True)
class Timeline:
    """A video's frames: how many, when, and at which ones something else begins.

    `times` as `str` of `Times` writes it; `breaks` are cuts and gaps: no window reaches over one.
    """

    count: int
    times: str = ""
    breaks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of `frames` frames, every `stride`-th of the video's, or of the video at `fps`.

    Windows begin at every `hop`-th frame of a scene. A video of too few frames has no window, or
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

    def length(self, timeline: Timeline) -> int:
        """Return how many frames a video has at the wanted rate."""
        rate = self._at_rate(timeline)
        return timeline.count if rate is None else len(rate)

    def count(self, timeline: Timeline) -> int:
        """Return how many windows a video has."""
        return _scenes(self, timeline)[1][-1]

    def start(self, window: int, timeline: Timeline) -> int:
        """Return the first frame of a window, at the wanted rate."""
        starts, ends = _scenes(self, timeline)
        scene = bisect_right(ends, window)
        return starts[scene] + (window - (ends[scene - 1] if scene else 0)) * self.hop

    def numbers(self, window: int, timeline: Timeline) -> NDArray[np.int64]:
        """Return the numbers of a window's frames in the video's file, (T,)."""
        places = self.start(window, timeline) + self.stride * np.arange(self.frames, dtype=np.int64)
        length, rate = self.length(timeline), self._at_rate(timeline)
        places = places % length if self.short == "loop" else np.minimum(places, length - 1)
        return places if rate is None else rate.frames(places)

    def _at_rate(self, timeline: Timeline) -> Resampled | None:
        return _resampled(timeline.times, self.fps) if self.fps and timeline.times else None

    def scenes(self, timeline: Timeline) -> tuple[list[int], list[int]]:
        """Return where each scene starts, and how many windows there are up to its end."""
        length, rate = self.length(timeline), self._at_rate(timeline)
        breaks = timeline.breaks if rate is None else map(rate.first_instant, timeline.breaks)
        starts = [0, *(b for b in breaks if b < length)]
        rooms = np.diff([*starts, length]) - self.span
        counts = np.where(rooms >= 0, rooms // self.hop + 1, 0)
        if self.short != "skip" and length < self.span:
            counts = np.eye(1, len(starts), dtype=np.int64)[0]  # the video as a whole, once
        return starts, np.cumsum(counts).tolist()


@lru_cache(maxsize=4096)
def _scenes(windows: Windows, timeline: Timeline) -> tuple[list[int], list[int]]:
    return windows.scenes(timeline)


@lru_cache(maxsize=256)
def _resampled(times: str, fps: float) -> Resampled:
    parsed = Times.parse(times)
    assert parsed
    return Resampled(parsed.seconds(), fps)
