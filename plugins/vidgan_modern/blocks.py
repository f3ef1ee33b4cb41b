"""The residual block of R3GAN, Huang et al. 2024, "The GAN is dead; long live the GAN!", for video.

Its "Config E" (section 3.4): an inverted bottleneck of pointwise, grouped and pointwise
convolutions with leaky ReLU and no normalisation, initialised as Fix-up does (Zhang et al. 2019),
so that a block starts as the identity. The grouped 3x3 convolution becomes a spatial and a
temporal one, (2+1)D as in Tran et al. 2018.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import avg_pool3d, interpolate

SLOPE = 0.2
EXPANSION = 2
GROUP = 16  # channels a group
INNER_LAYERS = 3  # of a block, its last one apart

Triple = tuple[int, int, int]
Grid = Triple  # frames, height, width of a feature map


def convolution(inner: int, outer: int, kernel: Triple, gain: float, groups: int = 1) -> nn.Conv3d:
    """Return a convolution that keeps the shape; weights N(0, gain^2 / fan_in), bias zero."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    layer = nn.Conv3d(inner, outer, kernel, 1, padding, groups=groups)
    nn.init.normal_(layer.weight, 0.0, gain / layer.weight[0].numel() ** 0.5)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


class Residual(nn.Module):
    """x + pointwise(temporal(spatial(pointwise(x)))), with a leaky ReLU after all but the last."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        wide = EXPANSION * channels
        groups = max(1, wide // GROUP)
        # He et al. 2015, damped for a network of so many blocks as Fix-up damps inner layers.
        gain = (2 / (1 + SLOPE**2)) ** 0.5 * blocks ** (-1 / (2 * INNER_LAYERS))
        self.layers = nn.Sequential(
            convolution(channels, wide, (1, 1, 1), gain),
            nn.LeakyReLU(SLOPE, inplace=True),
            convolution(wide, wide, (1, 3, 3), gain, groups),
            nn.LeakyReLU(SLOPE, inplace=True),
            convolution(wide, wide, (3, 1, 1), gain, groups),
            nn.LeakyReLU(SLOPE, inplace=True),
            convolution(wide, channels, (1, 1, 1), 0.0),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, C, T, H, W)."""
        change: Tensor = self.layers(x)
        return x + change


class Up(nn.Module):
    """Change the channels, then interpolate to a larger grid."""

    def __init__(self, inner: int, outer: int, grid: Grid) -> None:
        super().__init__()
        self.grid = grid
        self.pointwise = convolution(inner, outer, (1, 1, 1), 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inner, t, h, w) -> (B, outer, *grid)."""
        return interpolate(self.pointwise(x), self.grid, mode="trilinear", align_corners=False)


class Down(nn.Module):
    """Average to a smaller grid, then change the channels."""

    def __init__(self, inner: int, outer: int, factors: Triple) -> None:
        super().__init__()
        self.factors = factors
        self.pointwise = convolution(inner, outer, (1, 1, 1), 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inner, T, H, W) -> (B, outer, T / factor, H / factor, W / factor)."""
        pooled: Tensor = self.pointwise(avg_pool3d(x, self.factors))
        return pooled


def growing(channels: list[int], grids: list[Grid], depth: int) -> nn.Sequential:
    """Stages of `depth` blocks each, from the smallest grid to the largest."""
    blocks = depth * len(channels)
    layers: list[nn.Module] = [Residual(channels[0], blocks) for _ in range(depth)]
    for (inner, outer), grid in zip(pairwise(channels), grids[1:], strict=True):
        layers.append(Up(inner, outer, grid))
        layers += [Residual(outer, blocks) for _ in range(depth)]
    return nn.Sequential(*layers)


def shrinking(channels: list[int], grids: list[Grid], depth: int) -> nn.Sequential:
    """The mirror image of `growing`, for channels and grids in the same order as there."""
    blocks = depth * len(channels)
    layers: list[nn.Module] = [Residual(channels[-1], blocks) for _ in range(depth)]
    steps = zip(pairwise(reversed(channels)), pairwise(reversed(grids)), strict=True)
    for (outer, inner), (large, small) in steps:
        factors = (large[0] // small[0], large[1] // small[1], large[2] // small[2])
        layers.append(Down(outer, inner, factors))
        layers += [Residual(inner, blocks) for _ in range(depth)]
    return nn.Sequential(*layers)
