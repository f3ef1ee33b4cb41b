"""Bidirectional propagation, after Chan et al. 2021.

"BasicVSR: The Search for Essential Components in Video Super-Resolution and Beyond", section 3:
features travel through the whole clip, once from its end and once from its beginning. Each frame's
are warped to the next one along the flow between the two, and a trunk of residual blocks joins
them with that frame. What both directions know of a frame becomes the change of the enlarged frame.

Differs from the paper, which has width 64, 30 blocks and finish 64: smaller by default. Its flow is
a pretrained SPyNet; here a small pyramid is trained along with the rest, by the term `warp`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from annotated_types import Ge, Le, doc
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pixel_unshuffle

from vidgan_core.interfaces import DataSpec, Fake, Tensors
from vidgan_core.nn.warp import warp
from vidgan_restoration.blocks import SLOPE, FlowNetwork, Head, Trunk
from vidgan_restoration.given import RestorationGenerator, cropped, enlarged, padded, reduced

Width = Annotated[int, Ge(1), doc("channels of the trunk; 64 in the paper")]
Finish = Annotated[
    int,
    Ge(0),
    doc("channels of the layers at full size; 0: none, pixels are shuffled out of the grid"),
]
Grid = Annotated[
    int,
    Ge(0),
    Le(4),
    doc("pixels of the input, a side, in a place of the trunk's grid; 0: 2 at scale 1, else 1"),
]
FlowWidth = Annotated[int, Ge(1), doc("channels of the flow network")]
FlowLevels = Annotated[int, Ge(1), Le(6), doc("pictures in its pyramid, each half as large")]


def grid_of(grid: int, scale: int) -> int:
    """Return the side of a place, in pixels of the input."""
    return grid or (2 if scale == 1 else 1)


class RecurrentGenerator(RestorationGenerator):
    """Clip (B, C, T, h, w) -> video (B, C, T, scale h, scale w).

    Extras, both (B, 2, T, h / grid, w / grid), in pixels of that grid: `flow` leads from each frame
    to the one before it, `flow_after` to the one after it; zero where there is none.
    """

    gives = frozenset({"flow", "flow_after"})

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Width = 32,
        blocks: Annotated[int, Ge(0), doc("residual blocks in either direction")] = 3,
        finish: Finish = 0,
        grid: Grid = 0,
        flow_width: FlowWidth = 16,
        flow_levels: FlowLevels = 3,
    ) -> None:
        super().__init__(spec)
        self.width, self.grid = width, grid_of(grid, self.given.scale)
        self.pixels_step = self.grid * 2 ** (flow_levels - 1)
        places = spec.channels * self.grid**2 + self.given.levels
        self.flow = FlowNetwork(spec.channels, flow_width, flow_levels)
        self.backward_trunk = Trunk(places + width, width, blocks)
        self.forward_trunk = Trunk(places + width, width, blocks)
        self.fusion = nn.Conv2d(2 * width, width, 1)
        self.head = Head(width, spec.channels, self.given.scale * self.grid, finish)

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        """Make the video of the condition's clip, of its length."""
        clip = self.given.frames(condition)
        whole = padded(clip, self.pixels_step)
        before, after = self.flows(reduced(whole, self.grid))
        places = pixel_unshuffle(whole, self.grid)
        levels = self.given.level_maps(condition, places)[:, None]
        places = torch.cat([places, levels.expand(-1, clip.shape[1], -1, -1, -1)], dim=2)
        times = range(clip.shape[1])
        from_end = propagated(self.backward_trunk, places, after, reversed(times), self.width)
        from_start = propagated(self.forward_trunk, places, before, times, self.width)
        both = torch.cat([from_end, from_start], dim=2).flatten(0, 1)
        change = self.head(leaky_relu(self.fusion(both), SLOPE)).unflatten(0, clip.shape[:2])
        video = enlarged(clip, self.given.scale) + cropped(change, clip, self.given.scale)
        flows = {"flow": before.transpose(1, 2), "flow_after": after.transpose(1, 2)}
        return self.fake(video, **flows)

    def flows(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, T, C, h, w) -> flows to the frames before and after, (B, T, 2, h, w) each."""
        first, second = frames[:, :-1], frames[:, 1:]
        none = torch.zeros_like(frames[:, :1, :1]).expand(-1, -1, 2, -1, -1)
        if not first.shape[1]:
            return none, none
        pairs = (torch.cat([second, first]), torch.cat([first, second]))
        flow: Tensor = self.flow(*(frames.flatten(0, 1) for frames in pairs))
        to_first, to_second = flow.view(2, *first.shape[:2], *flow.shape[1:])
        return torch.cat([none, to_first], dim=1), torch.cat([to_second, none], dim=1)


def propagated(
    trunk: nn.Module, places: Tensor, flows: Tensor, order: Iterable[int], width: int
) -> Tensor:
    """Carry features from frame to frame: (B, T, places, h, w) -> (B, T, width, h, w).

    `flows` lead from each frame to the one that comes before it in `order`.
    """
    state = places.new_zeros(len(places), width, *places.shape[-2:])
    states: dict[int, Tensor] = {}
    for time in order:
        if states:
            state = warp(state, flows[:, time])
        state = trunk(torch.cat([places[:, time], state], dim=1))
        states[time] = state
    return torch.stack([states[time] for time in sorted(states)], dim=1)
