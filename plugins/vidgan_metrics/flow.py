"""Optical flow of neighbouring frames without learned weights: Horn & Schunck 1981.

From coarse to fine, with the second frame warped by what is known of the motion (Brox et al. 2004),
so that motion of many pixels is found too.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate, pad

NAME = "horn-schunck"  # in a protocol: other methods give other numbers
SMOOTHNESS = 12.0  # grey levels: the gradient below which smoothness decides
SMALLEST = 12  # pixels a side of the coarsest frame
WARPS, ITERATIONS = 3, 15


def flow(first: Tensor, second: Tensor) -> Tensor:
    """Return where pixels (x, y) of frames (N, H, W) in [0, 255] move to, (N, 2, H, W) in pixels.

    What is at p in `first` is at p + flow(p) in `second`.
    """
    ones, twos = _pyramid(first), _pyramid(second)
    field = first.new_zeros(len(first), 2, *ones[-1].shape[-2:])
    for one, two in zip(reversed(ones), reversed(twos), strict=True):
        field = _resized(field, one)
        for _ in range(WARPS):
            field = _refined(one, two, field)
    return field


def warped(frames: Tensor, field: Tensor) -> tuple[Tensor, Tensor]:
    """Return frames (N, H, W) as they are at p + field(p), and where that is inside, (N, H, W)."""
    height, width = frames.shape[-2:]
    rows = torch.arange(height, dtype=field.dtype)[:, None]
    columns = torch.arange(width, dtype=field.dtype)
    x, y = columns + field[:, 0], rows + field[:, 1]
    places = torch.stack([2 * x / max(1, width - 1) - 1, 2 * y / max(1, height - 1) - 1], -1)
    found = grid_sample(frames[:, None], places, padding_mode="border", align_corners=True)
    return found[:, 0], (places.abs() <= 1).all(-1)


def _pyramid(frames: Tensor) -> list[Tensor]:
    """Return frames at halves of their size, the largest first."""
    levels = [frames]
    while min(levels[-1].shape[-2:]) >= 2 * SMALLEST:
        size = [side // 2 for side in levels[-1].shape[-2:]]
        small = interpolate(levels[-1][:, None], size, mode="bilinear", antialias=True)
        levels.append(small[:, 0])
    return levels


def _resized(field: Tensor, like: Tensor) -> Tensor:
    """Return a field of motion for frames of another size."""
    (height, width), (old_height, old_width) = like.shape[-2:], field.shape[-2:]
    larger = interpolate(field, (height, width), mode="bilinear")
    return larger * field.new_tensor([width / old_width, height / old_height]).view(2, 1, 1)


def _refined(one: Tensor, two: Tensor, field: Tensor) -> Tensor:
    """Improve a field: Jacobi's iterations of equation 8 around what is known."""
    near, _ = warped(two, field)
    mean, change = (one + near) / 2, near - one
    slope = torch.stack([_slope(mean, -1), _slope(mean, -2)], 1)
    scale = SMOOTHNESS**2 + slope.square().sum(1, keepdim=True)
    weight, known = slope / scale, field
    for _ in range(ITERATIONS):
        around = _around(field)
        error = (slope * (around - known)).sum(1, keepdim=True) + change[:, None]
        field = around - weight * error
    return field


def _around(field: Tensor) -> Tensor:
    """Return the mean of a pixel's neighbours: 1/6 of the nearest four, 1/12 of the corners."""
    wide = pad(field, (1, 1, 1, 1), mode="replicate")
    rows = wide[..., :-2, :] + 2 * wide[..., 1:-1, :] + wide[..., 2:, :]
    return (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:] - 4 * field) / 12


def _slope(frames: Tensor, axis: int) -> Tensor:
    """Return central differences along an axis."""
    margins = (1, 1, 0, 0) if axis == -1 else (0, 0, 1, 1)
    wide = pad(frames[:, None], margins, mode="replicate")[:, 0]
    count = frames.shape[axis]
    return (wide.narrow(axis, 2, count) - wide.narrow(axis, 0, count)) / 2
