"""Bilinear resizing on the sampling grid of FVD's reference code or of its ports."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

Grid = Literal["tensorflow", "pytorch"]


def resize(images: Tensor, side: int, grid: Grid) -> Tensor:
    """Resize (N, C, H, W) to (N, C, side, side), bilinearly and without a filter.

    "tensorflow" is `tf.image.resize_bilinear` of TensorFlow 1, which FVD's reference calls: pixel
    i of the result lies at i H / side, so that the picture moves by up to half a pixel. "pytorch"
    is torch's own `interpolate`, as in the ports: at (i + 1/2) H / side - 1/2.
    """
    if grid == "pytorch":
        return interpolate(images, (side, side), mode="bilinear")
    return _along(_along(images, side, -2), side, -1)


def _along(images: Tensor, side: int, axis: int) -> Tensor:
    """Resize one axis; beyond the last pixel its value goes on."""
    size = images.shape[axis]
    places = torch.arange(side, dtype=torch.float64, device=images.device) * size / side
    lower = places.long()
    upper = (lower + 1).clamp(max=size - 1)
    share = (places - lower).to(images.dtype)
    if axis == -2:
        share = share[:, None]
    return torch.lerp(images.index_select(axis, lower), images.index_select(axis, upper), share)
