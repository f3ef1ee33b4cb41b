"""Backward warping: pictures moved along a flow, as networks that propagate over time need it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from vidgan_core.tensors import at_least_float32


def warp(pictures: Tensor, flow: Tensor) -> Tensor:
    """Return (B, C, H, W) of what lies `flow` (B, 2, H, W) away from each pixel of `pictures`.

    The flow is in pixels, x before y, positive to the right and downwards. Pixels in between are
    interpolated bilinearly; what lies outside is the nearest pixel of the border.
    """
    height, width = pictures.shape[-2:]
    away = at_least_float32(flow)  # bf16 can't tell positions in a frame of 300 pixels apart
    columns = torch.arange(width, device=away.device, dtype=away.dtype)
    rows = torch.arange(height, device=away.device, dtype=away.dtype)[:, None]
    x, y = columns + away[:, 0], rows + away[:, 1]
    # grid_sample has the centres of the first and the last pixel at -1 and 1
    places = torch.stack([2 * x / max(1, width - 1) - 1, 2 * y / max(1, height - 1) - 1], dim=-1)
    warped = grid_sample(
        pictures.to(places.dtype), places, padding_mode="border", align_corners=True
    )
    return warped.to(pictures.dtype)
