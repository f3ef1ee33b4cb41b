"""The exponential moving average of the generator's weights, from which samples are made."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from vidgan_core.interfaces import Generator


class EMA:
    """A copy of a generator whose weights follow it: w <- decay * w + (1 - decay) * source.

    The decay is warmed up, min(decay, (1 + n) / (20 + n)) at update n, so that a short run's
    samples are not its initial noise. Buffers (BatchNorm's statistics and counters) are copied,
    not averaged. A decay of 0 makes the copy exact.
    """

    def __init__(self, source: Generator, decay: float) -> None:
        self.source = source
        self.decay = decay
        self.updates = 0
        self.generator = copy.deepcopy(source).eval().requires_grad_(False)
        self._weights: tuple[list[Tensor], list[Tensor]] = (
            list(self.generator.parameters()),
            list(source.parameters()),
        )
        self._buffers = list(self.generator.buffers()), list(source.buffers())

    @torch.no_grad()
    def update(self) -> None:
        """Follow the source by one step."""
        decay = min(self.decay, (1 + self.updates) / (20 + self.updates))
        averaged, weights = self._weights
        torch._foreach_lerp_(averaged, weights, 1 - decay)
        if self._buffers[0]:
            torch._foreach_copy_(*self._buffers)
        self.updates += 1
