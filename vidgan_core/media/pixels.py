"""Pixels as networks see them, float in [-1, 1], and as files hold them, uint8."""

from __future__ import annotations

import torch
from torch import Tensor


def to_float(video: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Map uint8 pixels to [-1, 1]."""
    return video.to(dtype).div_(127.5).sub_(1)


def to_uint8(video: Tensor) -> Tensor:
    """Map [-1, 1] to uint8 pixels, the nearest; the inverse of `to_float`."""
    return video.detach().float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
