"""The layers of the recurrent networks: residual trunk, head, and the flow between two frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from vidgan_core.nn.warp import warp

SLOPE = 0.1  # of LeakyReLU, as in the published networks


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), without normalisation: Lim et al. 2017 (EDSR), figure 2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = conv(width, width), conv(width, width)
        with torch.no_grad():
            for layer in (self.first, self.second):
                layer.weight.mul_(0.1)  # as BasicVSR's code does: a deep trunk begins near identity

    def forward(self, maps: Tensor) -> Tensor:
        """(N, width, h, w) -> the same."""
        changed: Tensor = self.second(relu(self.first(maps)))
        return maps + changed


class Trunk(nn.Sequential):
    """(N, channels, h, w) -> (N, width, h, w): a convolution, LeakyReLU, residual blocks."""

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        body = [ResidualBlock(width) for _ in range(blocks)]
        super().__init__(conv(channels, width), nn.LeakyReLU(SLOPE, inplace=True), *body)


class Head(nn.Sequential):
    """(N, width, h, w) -> a change of pixels (N, channels, scale h, scale w), zero at first.

    Without `finish` one sub-pixel convolution makes all pixels of a place (Shi et al. 2016), which
    costs least. With it the grid grows in steps of 2 or 3 to layers of so many channels at full
    size, as in BasicVSR.
    """

    def __init__(self, width: int, channels: int, scale: int, finish: int) -> None:
        layers: list[nn.Module] = []
        for step in steps_to(scale) if finish else ():
            layers += [conv(width, finish * step**2), nn.PixelShuffle(step)]
            layers.append(nn.LeakyReLU(SLOPE, inplace=True))
            width = finish
        layers += [conv(width, width), nn.LeakyReLU(SLOPE, inplace=True)]
        left = 1 if finish else scale
        last = conv(width, channels * left**2)
        nn.init.zeros_(last.weight)
        super().__init__(*layers, last, nn.PixelShuffle(left))


class FlowNetwork(nn.Module):
    """Two pictures (N, C, h, w) -> flow (N, 2, h, w): `warp(other, flow)` is like `picture`.

    A small spatial pyramid: from the coarsest level on, the flow so far is enlarged, the other
    picture is warped by it, and a few convolutions add what is missing: Ranjan & Black 2017
    (SPyNet), equation 3. Zero at first. Height and width are multiples of 2^(levels - 1).
    """

    def __init__(self, channels: int, width: int, levels: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(self._level(2 * channels + 2, width) for _ in range(levels))

    def forward(self, picture: Tensor, other: Tensor) -> Tensor:
        """Compute the flow, in pixels."""
        pyramid = [(picture, other)]
        for _ in self.levels[1:]:
            finer = pyramid[-1]
            pyramid.append((avg_pool2d(finer[0], 2), avg_pool2d(finer[1], 2)))
        flow = torch.zeros_like(pyramid[-1][0][:, :1]).expand(-1, 2, -1, -1)
        for level, (here, there) in zip(self.levels, reversed(pyramid), strict=True):
            if flow.shape[-2:] != here.shape[-2:]:
                flow = enlarged_flow(flow, 2)
            flow = flow + level(torch.cat([here, warp(there, flow), flow], dim=1))
        return flow

    @staticmethod
    def _level(channels: int, width: int) -> nn.Module:
        last = conv(width, 2)
        nn.init.zeros_(last.weight)
        return nn.Sequential(
            *(nn.Conv2d(channels, width, 5, padding=2), nn.ReLU(inplace=True)),
            *(conv(width, width), nn.ReLU(inplace=True)),
            last,
        )


def enlarged_flow(flow: Tensor, scale: int) -> Tensor:
    """Return a flow (N, 2, h, w) for a grid `scale` times as fine, in pixels of that one."""
    if scale == 1:
        return flow
    finer = interpolate(flow, scale_factor=scale, mode="bilinear", align_corners=False)
    return scale * finer


def conv(channels: int, width: int) -> nn.Conv2d:
    """A 3x3 convolution that keeps height and width; its bias is zero at first."""
    layer = nn.Conv2d(channels, width, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight, a=SLOPE)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def steps_to(scale: int) -> list[int]:
    """Return the factors by which a grid grows to a scale, such as 2 and 2 to 4."""
    for step in (2, 3):
        if scale % step == 0:
            return [step, *steps_to(scale // step)]
    return []
