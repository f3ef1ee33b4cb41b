"""Small networks that restore clips, for tests: their answers can be computed by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from vidgan_core.interfaces import (
    DataSpec,
    Fake,
    Field,
    Generator,
    StreamingGenerator,
    Task,
    Tensors,
)

SCALE = 2


class Enlarge(Task):
    """The input is a quarter of the target's pixels."""

    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        shape = (spec.channels, spec.frames, spec.height // SCALE, spec.width // SCALE)
        self.fields = (Field("low", "clip", shape),)

    def pair(self, item: Mapping[str, Any], key: int) -> Mapping[str, Any]:
        """The input: every second pixel."""
        return {**item, "low": np.ascontiguousarray(item["video"][:, :, ::SCALE, ::SCALE])}

    def condition(self, frames: Any) -> Mapping[str, Any]:
        """The frames as they are."""
        return {"low": np.ascontiguousarray(frames.transpose(3, 0, 1, 2))}


class Local(Generator):
    """A frame depends on one neighbour and two pixels on either side, and on nothing else."""

    takes = frozenset({"clip"})
    follows = True
    frames_reach = 1
    pixels_reach = 2
    pixels_step = 2

    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        rng = torch.Generator().manual_seed(1)
        self.kernel = nn.Parameter(torch.rand(12, 3, 3, 5, 5, generator=rng) - 0.5)

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        """None."""
        return {}

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        """A convolution of the clip as if it went on in grey, and sub-pixels of it."""
        low = condition["low"]
        wide = nn.functional.conv3d(low, self.kernel / 8, padding=(1, 2, 2))
        frames_first = nn.functional.pixel_shuffle(wide.transpose(1, 2), SCALE)
        return Fake(frames_first.transpose(1, 2))


class Mixing(StreamingGenerator):
    """A frame is the mean of the one before it and this one; two frames a piece."""

    takes = frozenset({"clip"})
    follows = True
    frames_a_piece = 2

    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        self.rate = nn.Parameter(torch.tensor(0.5))

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        """None."""
        return {}

    def begin(self, n: int) -> Any:
        """Grey."""
        return torch.zeros(())

    def advance(self, state: Any, noise: Tensors, condition: Tensors) -> tuple[Fake, Any]:
        """Mix the frames of a piece one after another."""
        made = []
        for frame in condition["low"].unbind(2):
            state = self.rate * state + self.rate * frame
            made.append(nn.functional.interpolate(state, scale_factor=SCALE))
        return Fake(torch.stack(made, 2)), state


SPEC = DataSpec(3, 8, 32, 32, condition=(Field("low", "clip", (3, 8, 16, 16)),))
