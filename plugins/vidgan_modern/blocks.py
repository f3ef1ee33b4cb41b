"""The residual block of R3GAN, Huang et al. 2024, "The GAN is dead; long live the GAN!", for video.

Its "Config E" (section 3.4): an inverted bottleneck of pointwise, grouped and pointwise
convolutions with leaky ReLU and no normalisation, initialised as Fix-up does (Zhang et al. 2019),
so that a block starts as the identity. The grouped 3x3 convolution becomes a spatial and a
temporal one, (2+1)D as in Tran et al. 2018.

Every convolution is a two-dimensional one: over the frames (B*T, C, H, W), or over (B, C, T, H*W)
along time. In channels-last memory both are views of the clip, and the grouped kernels of two
dimensions are several times as fast as those of three on a CPU.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import avg_pool3d, interpolate, leaky_relu

SLOPE = 0.2
RELU_GAIN = (2 / (1 + SLOPE**2)) ** 0.5  # He et al. 2015: what a leaky ReLU takes of the variance
EXPANSION = 2
GROUP = 16  # channels a group
INNER_LAYERS = 3  # of a block, its last one apart

Triple = tuple[int, int, int]
Grid = Triple  # frames, height, width of a feature map


class Spatial(nn.Conv2d):
    """A convolution within the frames of (B, C, T, H, W); weights N(0, gain^2 / fan_in), bias 0.

    `activated` puts a leaky ReLU behind it.
    """

    def __init__(
        self,
        inner: int,
        outer: int,
        kernel: int,
        gain: float,
        *,
        groups: int = 1,
        activated: bool = False,
    ) -> None:
        super().__init__(inner, outer, kernel, padding=kernel // 2, groups=groups)
        self.activated = activated
        initialise(self, gain)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inner, T, H, W) -> (B, outer, T, H, W)."""
        clips, frames = x.shape[0], x.shape[2]
        # (B, C, T, H, W) -> (B*T, C, H, W)
        maps = super().forward(plain(x.transpose(1, 2).flatten(0, 1)))
        if self.activated:
            maps = activate(maps)
        # (B*T, C, H, W) -> (B, T, C, H, W) -> (B, C, T, H, W)
        return maps.reshape(clips, frames, *maps.shape[1:]).transpose(1, 2)


class Temporal(nn.Conv2d):
    """A convolution of three frames along the time of (B, C, T, H, W); options as `Spatial`'s."""

    def __init__(self, channels: int, gain: float, *, groups: int, activated: bool = False) -> None:
        super().__init__(channels, channels, (3, 1), padding=(1, 0), groups=groups)
        self.activated = activated
        initialise(self, gain)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        # (B, C, T, H, W) -> (B, C, T, H*W) -> (B, C, T, H, W)
        maps = super().forward(plain(x.flatten(3)))
        return (activate(maps) if self.activated else maps).reshape(x.shape)


def activate(maps: Tensor) -> Tensor:
    """Apply a leaky ReLU to what a convolution has just made, in place.

    Memory's speed is the limit here, and nobody needs the numbers before it. In place of a view,
    such as the clip that a convolution returns, autograd would copy everything.
    """
    return leaky_relu(maps, SLOPE, inplace=True)


def plain(maps: Tensor) -> Tensor:
    """Lay out maps (N, C, H, W) plainly if there is but one.

    The strides of a single one are ambiguous, and torch 2.13 then computes wrong gradients of
    grouped weights in float64.
    """
    return maps.contiguous() if len(maps) == 1 else maps


def initialise(layer: nn.Conv2d, gain: float) -> None:
    """Set weights to N(0, gain^2 / fan_in) and the bias to zero."""
    nn.init.normal_(layer.weight, 0.0, gain / layer.weight[0].numel() ** 0.5)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)


class Residual(nn.Module):
    """x + pointwise(temporal(spatial(pointwise(x)))), with a leaky ReLU after all but the last."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        wide = EXPANSION * channels
        groups = max(1, wide // GROUP)
        # Damped for a network of so many blocks as Fix-up damps inner layers.
        gain = RELU_GAIN * blocks ** (-1 / (2 * INNER_LAYERS))
        self.layers = nn.Sequential(
            Spatial(channels, wide, 1, gain, activated=True),
            Spatial(wide, wide, 3, gain, groups=groups, activated=True),
            Temporal(wide, gain, groups=groups, activated=True),
            Spatial(wide, channels, 1, 0.0),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, C, T, H, W)."""
        change: Tensor = self.layers(x)
        return change + x  # in the layout of the convolution, whatever that of x is


class Scale(nn.Linear):
    """How strong each channel is, by the noise: N(mean, std^2) to begin with."""

    def __init__(self, noise_size: int, channels: int, *, mean: float, std: float) -> None:
        super().__init__(noise_size, channels)
        nn.init.normal_(self.weight, 0.0, std / noise_size**0.5)
        nn.init.constant_(self.bias, mean)

    def forward(self, z: Tensor) -> Tensor:
        """(n, noise_size) -> (n, channels, 1, 1, 1)."""
        return super().forward(z)[:, :, None, None, None]


class Up(nn.Module):
    """Change the channels, then interpolate to a larger grid."""

    def __init__(self, inner: int, outer: int, grid: Grid) -> None:
        super().__init__()
        self.grid = grid
        self.pointwise = Spatial(inner, outer, 1, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inner, t, h, w) -> (B, outer, *grid)."""
        return interpolate(self.pointwise(x), self.grid, mode="trilinear", align_corners=False)


class Down(nn.Module):
    """Average to a smaller grid, then change the channels."""

    def __init__(self, inner: int, outer: int, factors: Triple) -> None:
        super().__init__()
        self.factors = factors
        self.pointwise = Spatial(inner, outer, 1, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inner, T, H, W) -> (B, outer, T / factor, H / factor, W / factor)."""
        pooled: Tensor = self.pointwise(avg_pool3d(x, self.factors))
        return pooled


def growing(channels: list[int], grids: list[Grid], depth: int) -> nn.Sequential:
    """A stage of `depth` blocks for each grid, from the smallest to the largest."""
    blocks = depth * len(channels)
    stages = [nn.Sequential(*(Residual(width, blocks) for _ in range(depth))) for width in channels]
    for stage, (inner, outer), grid in zip(stages[1:], pairwise(channels), grids[1:], strict=True):
        stage.insert(0, Up(inner, outer, grid))
    return nn.Sequential(*stages)


def shrinking(channels: list[int], grids: list[Grid], depth: int) -> nn.Sequential:
    """The mirror image of `growing`, for channels and grids in the same order as there."""
    blocks = depth * len(channels)
    sizes = list(reversed(channels))
    stages = [nn.Sequential(*(Residual(width, blocks) for _ in range(depth))) for width in sizes]
    steps = zip(stages[1:], pairwise(sizes), pairwise(reversed(grids)), strict=True)
    for stage, (outer, inner), (large, small) in steps:
        factors = (large[0] // small[0], large[1] // small[1], large[2] // small[2])
        stage.insert(0, Down(outer, inner, factors))
    return nn.Sequential(*stages)
