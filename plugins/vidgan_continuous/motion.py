"""Motion as a function of continuous time: Skorokhodov et al. 2022, "StyleGAN-V", section 3.1.

Motion codes lie at knots that are `distance` frames apart. What happens between two of them is a
positional embedding of the time since the left one, with frequencies and phases of its code's own,
aligned so that the whole is continuous.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vidgan_continuous.layers import activated, started

KERNEL = 11  # knots that a layer over them sees
CONTEXT = 2 * (KERNEL - 1)  # knots that two such layers use up
LONGEST = 64  # the longest period, in distances of knots; the shortest is one


class Motion(nn.Module):
    """Noise at knots -> codes u by convolutions without padding -> an embedding v(t) (`size`).

    With e(t) = [sin, cos](frequency (1 + tanh(A u_l)) (t - t_l) + B u_l) between knots l and r,
    v(t) = e(t) - lerp(e(t_l), e(t_r)) + lerp(C u_l, C u_r), so that v(t_l) = C u_l at each knot.
    The time is that since the left knot: clips that begin anywhere are alike.
    """

    periods: Tensor

    def __init__(self, noise: int, size: int, distance: int) -> None:
        super().__init__()
        self.distance = distance
        self.first = started(nn.Conv1d(noise, size, KERNEL))
        self.second = started(nn.Conv1d(size, size, KERNEL))
        # Without biases: a motion must not be the same whatever the noise.
        self.speeds, self.phases = (
            started(nn.Linear(size, size // 2, bias=False)) for _ in range(2)
        )
        self.align = started(nn.Linear(size, size, bias=False))
        exponents = torch.linspace(math.log2(LONGEST), 0, size // 2)
        self.register_buffer("periods", distance * 2**exponents)

    @staticmethod
    def knots(frames: float, distance: int) -> int:
        """Return how many knots' noise a clip needs that begins anywhere between two knots."""
        return math.ceil(frames / distance) + 2 + CONTEXT

    def forward(self, noise: Tensor, time: Tensor) -> Tensor:
        """(B, K, noise) and frames since the first knot (B, T) -> (B, T, size)."""
        codes = activated(self.first(noise.transpose(1, 2)))
        codes = activated(self.second(codes)).transpose(1, 2)  # (B, K - CONTEXT, size)
        number = (time / self.distance).floor()
        since = (time - number * self.distance)[:, :, None]  # (B, T, 1)
        rows = torch.arange(len(time), device=time.device)[:, None]
        left, right = codes[rows, number.long()], codes[rows, number.long() + 1]  # (B, T, size)
        share = since / self.distance
        waves, at_left, at_right = (self._waves(left, t) for t in (since, 0.0, self.distance))
        chord = (1 - share) * at_left + share * at_right
        line = (1 - share) * self.align(left) + share * self.align(right)
        v: Tensor = waves - chord + line
        return v

    def _waves(self, code: Tensor, since: Tensor | float) -> Tensor:
        """e(t) of a code (B, T, size), so many frames (B, T, 1) after its knot."""
        speed = 2 * math.pi / self.periods * (1 + torch.tanh(self.speeds(code)))
        angle = speed * since + self.phases(code)
        return torch.cat([angle.sin(), angle.cos()], dim=2)
