"""Learning rates and weights over a run: functions of the step alone, so that a resume is exact."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Shape = Literal["constant", "linear", "cosine"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """From `first` at step 0 to `last` at step `steps` and from there on."""

    first: float
    last: float
    steps: int
    shape: Shape = "cosine"

    def __call__(self, step: int) -> float:
        """Return the value at a step."""
        done = min(1.0, step / self.steps)
        left = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}
        return self.last + (self.first - self.last) * left[self.shape]
