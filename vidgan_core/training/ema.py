"""The exponential moving average of a network's weights, from which samples are made."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from vidgan_core.interfaces import Network


class EMA:
    """A copy of a network whose weights follow it: w <- decay * w + (1 - decay) * source.

    The decay is warmed up, min(decay, (1 + n) / (20 + n)) at update n, so that a short run's
    samples are not its initial noise. Buffers (BatchNorm's statistics and counters) are copied,
    not averaged. A decay of 0 makes the copy exact.
    """

    def __init__(self, source: Network, decay: float) -> None:
        self.source = source
        self.decay = decay
        self.updates = 0
        self.network = copy.deepcopy(source).eval().requires_grad_(False)
        self._weights: tuple[list[Tensor], list[Tensor]] = (
            list(self.network.parameters()),
            list(source.parameters()),
        )
        self._buffers = list(self.network.buffers()), list(source.buffers())

    @torch.no_grad()
    def update(self) -> None:
        """Follow the source by one step."""
        decay = min(self.decay, (1 + self.updates) / (20 + self.updates))
        averaged, weights = self._weights
        torch._foreach_lerp_(averaged, weights, 1 - decay)
        if self._buffers[0]:
            torch._foreach_copy_(*self._buffers)
        self.updates += 1
