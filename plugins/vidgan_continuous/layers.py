"""Layers of StyleGAN2 (Karras et al. 2020) in plain PyTorch, and the plan of the frame sizes.

Weights are drawn as N(0, 1 / fan_in), and activations scaled to keep the variance.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec

SLOPE = 0.2
SMALLEST = 4  # pixels of the innermost grid


def plan(spec: DataSpec, width: int) -> tuple[list[int], list[tuple[int, int]]]:
    """Return channels and grids (h, w), the innermost first. Raises ShapeError.

    There are `width` channels next to the pixels, twice as many at each halving, at most 8 times.
    """
    if spec.height % 16 or spec.width % 16:
        raise ShapeError(
            f"can't do {spec}: height and width must be multiples of 16 (such as 32, 64, 96, 128); "
            "any number of frames will do"
        )
    sides = (spec.height, spec.width)
    halvings = 2
    while min(sides) >> halvings > SMALLEST and not any(s % 2 ** (halvings + 1) for s in sides):
        halvings += 1
    steps = range(halvings, -1, -1)
    return (
        [width * min(8, 2**n) for n in steps],
        [(spec.height >> n, spec.width >> n) for n in steps],
    )


def activated(x: Tensor) -> Tensor:
    """Leaky ReLU with a gain that keeps the variance."""
    return leaky_relu(x, SLOPE) * 2**0.5


Layer = TypeVar("Layer", nn.Linear, nn.Conv1d, nn.Conv2d)


def started(layer: Layer, bias: float = 0.0) -> Layer:
    """Draw a layer's weights, and set its bias if it has one."""
    nn.init.normal_(layer.weight, 0.0, layer.weight[0].numel() ** -0.5)
    if layer.bias is not None:
        nn.init.constant_(layer.bias, bias)
    return layer


class StyledConv(nn.Module):
    """A convolution whose weights a style scales: section 2.2, equations 1 and 3.

    w' = s w, and where `demodulated` w'' = w' / |w'|, the norm being over each output's weights.
    Scaling input and output of one convolution is the same as weights of each row's own.
    """

    def __init__(
        self, inner: int, outer: int, style: int, kernel: int = 3, *, demodulated: bool = True
    ) -> None:
        super().__init__()
        self.demodulated = demodulated
        self.scale = started(nn.Linear(style, inner), bias=1.0)
        self.weight = nn.Parameter(torch.randn(outer, inner, kernel, kernel))
        nn.init.normal_(self.weight, 0.0, self.weight[0].numel() ** -0.5)
        self.bias = nn.Parameter(torch.zeros(outer))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(R, inner, H, W) and (R, style) -> (R, outer, H, W)."""
        scale = self.scale(style)  # (R, inner)
        y = conv2d(x * scale[:, :, None, None], self.weight, padding=self.weight.shape[-1] // 2)
        if self.demodulated:
            squares = scale.square() @ self.weight.square().sum((2, 3)).T  # (R, outer)
            y = y * (squares + 1e-8).rsqrt()[:, :, None, None]
        return y + self.bias[:, None, None]
