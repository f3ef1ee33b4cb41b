"""Warping against a loop that interpolates by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vidgan_core.nn.warp import warp


def by_hand(picture: Tensor, x: float, y: float) -> Tensor:
    """The colour (C,) of a picture (C, H, W) at a place, bilinear, clamped to the border."""
    height, width = picture.shape[1:]
    x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    left, top = math.floor(x), math.floor(y)
    right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
    across, down = x - left, y - top
    upper = (1 - across) * picture[:, top, left] + across * picture[:, top, right]
    lower = (1 - across) * picture[:, bottom, left] + across * picture[:, bottom, right]
    return (1 - down) * upper + down * lower


@pytest.mark.parametrize("size", [(5, 7), (4, 1), (1, 3), (1, 1)], ids=str)
def test_each_pixel_is_fetched_from_where_the_flow_leads(size: tuple[int, int]) -> None:
    rng = torch.Generator().manual_seed(0)
    pictures = torch.randn(2, 3, *size, generator=rng, dtype=torch.float64)
    flow = 3 * torch.randn(2, 2, *size, generator=rng, dtype=torch.float64)
    warped = warp(pictures, flow)
    for clip in range(2):
        for y in range(size[0]):
            for x in range(size[1]):
                dx, dy = flow[clip, :, y, x].tolist()
                expected = by_hand(pictures[clip], x + dx, y + dy)
                torch.testing.assert_close(warped[clip, :, y, x], expected)


def test_a_flow_of_whole_pixels_shifts() -> None:
    picture = torch.arange(20.0).view(1, 1, 4, 5)
    flow = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1).expand(-1, -1, 4, 5)
    torch.testing.assert_close(warp(picture, flow)[0, 0, :2, :4], picture[0, 0, 2:, 1:])


def test_gradients_reach_flow_and_picture() -> None:
    rng = torch.Generator().manual_seed(0)
    picture = torch.randn(1, 2, 4, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    flow = 0.3 + 0.4 * torch.rand(1, 2, 4, 4, generator=rng, dtype=torch.float64)
    assert torch.autograd.gradcheck(warp, (picture, flow.requires_grad_()))


def test_half_precision_keeps_its_dtype_and_exact_positions() -> None:
    picture = torch.arange(600.0).view(1, 1, 1, 600).remainder(7).bfloat16()
    flow = torch.zeros(1, 2, 1, 600, dtype=torch.bfloat16)
    warped = warp(picture, flow)
    assert warped.dtype == torch.bfloat16
    torch.testing.assert_close(warped, picture, rtol=0, atol=1e-3)
