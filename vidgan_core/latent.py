"""Ways through the space of noise."""

from __future__ import annotations

import torch
from torch import Tensor

PARALLEL = 1e-4  # radians: where the sines' quotient would be one of two zeros


def spherical(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Return a row (n, ...) for each share (n,) of the way from `start` to `end`, (1, ...) each.

    White 2016, "Sampling Generative Networks", section 2.1: normal noise of many dimensions lies
    near a sphere, which a straight line would leave. sin((1 - s) a) / sin(a) of the one and
    sin(s a) / sin(a) of the other, with a the angle between them; straight where they are parallel.
    """
    share = share.to(start).reshape(-1, *[1] * (start.ndim - 1))
    cosine = torch.cosine_similarity(start.flatten(), end.flatten(), dim=0)
    angle = cosine.clamp(-1, 1).acos()
    if angle < PARALLEL or torch.pi - angle < PARALLEL:
        return torch.lerp(start, end, share)
    of_start, of_end = ((part * angle).sin() / angle.sin() for part in (1 - share, share))
    return of_start * start + of_end * end
