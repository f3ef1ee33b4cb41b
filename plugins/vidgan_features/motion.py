"""How things move: block matching, and the distributions of motions and of their changes."""

from __future__ import annotations

import math
from itertools import product
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Le, doc
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from vidgan_core.data.cache import digest
from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Degradation, Features

LUMA = (0.299, 0.587, 0.114)  # of ITU-R BT.601
SIDE = 64  # pixels that frames are resized to
BLOCK = 8
FEWEST = 3  # frames: two motions, one change
DIRECTIONS = 8
SPEEDS = (0.5, 1.5, 3.5)  # pixels a frame between rings of the histogram; below the first: still
# Of the parts of a vector, so that each differs about as much between scenes of real videos.
WEIGHTS = (0.3, 0.3, 30.0, 20.0, 0.5)


class Motion(Features):
    """(B, C, T, H, W) -> (B, 53): how far blocks of 8x8 move, which way, and how evenly.

    On the luma of frames resized to 64x64, the vector of a clip holds

    - the distribution of the blocks' motions, over 8 directions in 3 rings of speed and "still",
      as square roots of its 25 shares; and that of the changes of motion from frame to frame, as
      in the Fréchet video motion distance (Liu et al. 2024), whose points are tracked instead;
    - the mean |difference| of neighbouring frames and the mean |second difference| of three, of
      brightness in [0, 1];
    - the mean length of the changes of motion, in pixels.

    Sensitive to frozen, shuffled and sped-up clips, more than `lite0` is, and to noise. It does not
    notice colours, nor time reversed. Raises ShapeError for clips of less than 3 frames.
    """

    sensitive_to: ClassVar[frozenset[Degradation]] = frozenset(
        {"noise", "frozen", "shuffled", "speed", "duplicates"}
    )

    def __init__(
        self,
        spec: DataSpec,
        *,
        reach: Annotated[int, Ge(1), Le(16), doc("pixels that a block is looked for around")] = 6,
    ) -> None:
        super().__init__(spec)
        if spec.frames < FEWEST:
            raise ShapeError(f"can't look at {spec}: frames must be at least {FEWEST}")
        self.reach = reach

    @property
    def fingerprint(self) -> str:
        """A hash of the reach."""
        return digest("motion", 1, self.reach)

    @torch.no_grad()
    def forward(self, video: Tensor) -> Tensor:
        """Map clips in [-1, 1] to vectors."""
        grey = luma(video)
        motion = block_motion(grey[:, :-1].flatten(0, 1), grey[:, 1:].flatten(0, 1), self.reach)
        motion = motion.view(len(grey), -1, *motion.shape[1:])  # (B, T-1, H/8, W/8, 2)
        change = motion.diff(dim=1)
        parts = (
            shares(motion).sqrt(),
            shares(change).sqrt(),
            grey.diff(dim=1).abs().mean((1, 2, 3))[:, None],
            grey.diff(n=2, dim=1).abs().mean((1, 2, 3))[:, None],
            change.norm(dim=-1).mean((1, 2, 3))[:, None],
        )
        return torch.cat([w * part for w, part in zip(WEIGHTS, parts, strict=True)], dim=1)


def luma(video: Tensor) -> Tensor:
    """Return the brightness (B, T, 64, 64) in [0, 1] of clips; of one channel, that channel."""
    channels = video.shape[1]
    weights = video.new_tensor(LUMA if channels == 3 else [1 / channels] * channels)
    grey = torch.einsum("bcthw,c->bthw", video, weights).add(1).div(2)
    if grey.shape[-2:] != (SIDE, SIDE):
        grey = interpolate(grey, (SIDE, SIDE), mode="bilinear", antialias=True)
    return grey


def block_motion(before: Tensor, after: Tensor, reach: int, block: int = BLOCK) -> Tensor:
    """Return where each block of `after` was in `before`, as (N, H/block, W/block, 2) of y, x.

    The frames are (N, H, W). All of the (2 reach + 1)^2 places within the frame are compared by
    the mean absolute difference; of equals, the nearest is taken.
    """
    height, width = before.shape[-2:]
    framed = pad(before, (reach,) * 4, value=math.inf)  # what lies outside never fits
    least = before.new_full((len(before), height // block, width // block), math.inf)
    found = torch.zeros_like(least, dtype=torch.long)
    places = sorted(product(range(-reach, reach + 1), repeat=2), key=lambda p: math.hypot(*p))
    for number, (y, x) in enumerate(places):
        moved = framed[:, reach + y : reach + y + height, reach + x : reach + x + width]
        cost = avg_pool2d((moved - after).abs_(), block)
        found.masked_fill_(cost < least, number)
        torch.minimum(least, cost, out=least)
    return before.new_tensor(places)[found]


def shares(motion: Tensor) -> Tensor:
    """Return the distribution of vectors (B, ..., 2) over rings and directions, (B, 25)."""
    vectors = motion.flatten(1, -2)
    speed, angle = vectors.norm(dim=-1), torch.atan2(vectors[..., 0], vectors[..., 1])
    ring = torch.bucketize(speed, speed.new_tensor(SPEEDS))
    direction = (angle / math.tau * DIRECTIONS).round().long() % DIRECTIONS
    place = torch.where(ring == 0, 0, 1 + (ring - 1) * DIRECTIONS + direction)
    counts = speed.new_zeros(len(speed), 1 + len(SPEEDS) * DIRECTIONS)
    counts.scatter_add_(1, place, torch.ones_like(speed))
    distribution: Tensor = counts / speed.shape[1]
    return distribution
