"""When each frame of a video is shown. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Source = Literal["pts", "dts", "rate"]  # presentation times, decode times, or the stated rate
LONGEST_PAUSE = 2.0  # seconds; a longer one between two frames is a gap in the recording
_ROUNDING = 1e-6  # seconds


@dataclass(frozen=True, slots=True)
class Times:
    """Strictly increasing ticks (N,), the seconds of a tick, and what the ticks are from."""

    ticks: NDArray[np.int64]
    base: Fraction
    source: Source = "pts"

    @classmethod
    def of(
        cls, ticks: Sequence[int | None], base: Fraction | None, source: Source = "pts"
    ) -> Times | None:
        """Return the times, or None where the file does not say them or contradicts itself."""
        if base is None or not ticks or any(tick is None for tick in ticks):
            return None
        array = np.asarray(ticks, np.int64)
        return cls(array, base, source) if bool((np.diff(array) > 0).all()) else None

    @classmethod
    def steady(cls, count: int, rate: Fraction | None) -> Times | None:
        """Return the times of `count` frames at a stated rate, if there is one."""
        if not rate or not count:
            return None
        return cls(np.arange(count, dtype=np.int64), 1 / Fraction(rate), "rate")

    @staticmethod
    @lru_cache(maxsize=64)
    def parse(text: str) -> Times | None:
        """Read what `str` wrote: source, base, the first tick, the steps as step*count."""
        if not text:
            return None
        source, base, first, *runs = text.split()
        pairs = [run.split("*") for run in runs]
        steps = np.repeat([int(step) for step, _ in pairs], [int(count) for _, count in pairs])
        ticks = int(first) + np.concatenate([[0], np.cumsum(steps)])
        return Times(ticks.astype(np.int64), Fraction(base), source)  # type: ignore[arg-type]

    def __str__(self) -> str:
        steps = np.diff(self.ticks)
        edges = np.flatnonzero(np.diff(steps)) + 1
        runs = [f"{run[0]}*{len(run)}" for run in np.split(steps, edges) if len(run)]
        return " ".join([self.source, str(self.base), str(int(self.ticks[0])), *runs])

    def number_at(self, tick: int | None) -> int:
        """Return the number of the frame with this tick, -2 without one."""
        if tick is None:
            return -2
        number = int(np.searchsorted(self.ticks, tick))
        return number if number < len(self.ticks) and self.ticks[number] == tick else -2

    @property
    def gaps(self) -> tuple[int, ...]:
        """The frames that come after a pause in the recording."""
        steps = np.diff(self.ticks) * float(self.base)
        usual = float(np.median(steps)) if len(steps) else 0.0
        return tuple((np.flatnonzero(steps > max(LONGEST_PAUSE, 10 * usual)) + 1).tolist())

    def seconds(self) -> NDArray[np.float64]:
        """Return when each frame is shown, from 0 on; a gap lasts no longer than a usual frame."""
        steps = np.diff(self.ticks) * float(self.base)
        if gaps := self.gaps:
            steps[np.asarray(gaps) - 1] = np.median(steps)
        return np.concatenate([[0.0], np.cumsum(steps)])


@dataclass(frozen=True, slots=True)
class Resampled:
    """A video at another rate: at each instant 0, 1/fps, 2/fps ... the frame on the screen."""

    seconds: NDArray[np.float64]
    fps: float

    def __len__(self) -> int:
        """How many instants the video lasts; its last frame is shown as long as the mean one."""
        end, steps = float(self.seconds[-1]), len(self.seconds) - 1
        return max(1, math.floor((end + (end / steps if steps else 0.0)) * self.fps + _ROUNDING))

    def frames(self, instants: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which frames are on the screen at these instants; needs memory for no others."""
        at = instants / self.fps + _ROUNDING
        return np.searchsorted(self.seconds, at, side="right").astype(np.int64) - 1

    def first_instant(self, frame: int) -> int:
        """Return the first instant that shows this frame or a later one."""
        return max(0, math.ceil((float(self.seconds[frame]) - _ROUNDING) * self.fps))
