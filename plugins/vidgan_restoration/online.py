"""Propagation of the output, frame after frame: for live use.

Sajjadi, Vemulapalli & Brown 2018, "Frame-Recurrent Video Super-Resolution", section 3 (FRVSR), and
the generator of Chu et al. 2020 (TecoGAN): the video's last frame is warped along the flow, brought
to the input's size by space-to-depth, and read together with the next frame.

Differs from the papers: TecoGAN has width 64 and 16 blocks, FRVSR 128 and 10; here it is smaller by
default. Both begin with a black frame; here the first frame's own enlargement takes its place.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from annotated_types import Ge, doc
from torch import Tensor
from torch.nn.functional import pixel_unshuffle

from vidgan_core.interfaces import DataSpec, Fake, StreamingGenerator, Tensors
from vidgan_core.nn.warp import warp
from vidgan_restoration.blocks import FlowNetwork, Head, Trunk, enlarged_flow
from vidgan_restoration.given import RestorationGenerator, cropped, enlarged, padded, reduced
from vidgan_restoration.recurrent import Finish, FlowLevels, FlowWidth, Grid, Width, grid_of


class Last(NamedTuple):
    """The last frame: as it was given (B, C, h, w) and as it was made, both padded."""

    given: Tensor
    made: Tensor


class OnlineRecurrentGenerator(RestorationGenerator, StreamingGenerator):
    """Clip (B, C, T, h, w) -> video (B, C, T, scale h, scale w), one frame after another.

    Extra `flow` (B, 2, T, h / grid, w / grid): see `RecurrentGenerator`.
    """

    gives = frozenset({"flow"})

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Width = 32,
        blocks: Annotated[int, Ge(0), doc("residual blocks")] = 4,
        finish: Finish = 0,
        grid: Grid = 0,
        flow_width: FlowWidth = 16,
        flow_levels: FlowLevels = 3,
    ) -> None:
        super().__init__(spec)
        self.grid = grid_of(grid, self.given.scale)
        self.pixels_step = self.grid * 2 ** (flow_levels - 1)
        self.place = self.given.scale * self.grid  # pixels of the video a side
        channels = spec.channels * (self.grid**2 + self.place**2) + self.given.levels
        self.flow = FlowNetwork(spec.channels, flow_width, flow_levels)
        self.trunk = Trunk(channels, width, blocks)
        self.head = Head(width, spec.channels, self.place, finish)

    def begin(self, n: int) -> Last | None:
        """There is no frame before the first one."""
        return None

    def advance(
        self, state: Last | None, noise: Tensors, condition: Tensors
    ) -> tuple[Fake, Last | None]:
        """Make the next frame (n, C, 1, scale h, scale w)."""
        given = self.given.frames(condition)[:, 0]
        whole = padded(given, self.pixels_step)
        base = enlarged(whole, self.given.scale)
        last = Last(*state) if state else Last(whole, base)
        flow = self.flow(reduced(whole, self.grid), reduced(last.given, self.grid))
        kept = warp(last.made, enlarged_flow(flow, self.place))
        places = [pixel_unshuffle(whole, self.grid), pixel_unshuffle(kept, self.place)]
        levels = self.given.level_maps(condition, places[0])
        made = base + self.head(self.trunk(torch.cat([*places, levels], dim=1)))
        fake = self.fake(cropped(made, given, self.given.scale)[:, None], flow=flow[:, :, None])
        return fake, Last(whole, made)

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        """Make the video of the condition's clip, of its length."""
        return super().forward(noise, condition, frames=self.given.frames(condition).shape[1])
