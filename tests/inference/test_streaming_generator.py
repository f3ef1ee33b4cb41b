"""A generator that makes its video piece by piece: streamed, it is the whole."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from vidgan_core.interfaces import DataSpec, Fake, StreamingGenerator, Tensors

SPEC = DataSpec(3, 6, 8, 8)


class Recurrent(StreamingGenerator):
    """A GRU with noise of each piece, and a frame or two of its state."""

    moving = frozenset({"motion"})

    def __init__(self, spec: DataSpec, *, piece: int = 1) -> None:
        super().__init__(spec)
        self.frames_a_piece = piece
        self.cell = nn.GRUCell(4 + 2, 5)
        self.pixels = nn.Linear(5, spec.channels * piece * spec.height * spec.width)

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        pieces = -(-(frames or self.spec.frames) // self.frames_a_piece)
        return {
            "content": torch.randn(n, 4, generator=rng),
            "motion": torch.randn(n, pieces, 2, generator=rng),
        }

    def begin(self, n: int) -> Tensor:
        return self.pixels.weight.new_zeros(n, 5)

    def advance(self, state: Tensor, noise: Tensors, condition: Tensors) -> tuple[Fake, Tensor]:
        state = self.cell(torch.cat([noise["content"], noise["motion"]], 1), state)
        shape = (self.spec.channels, self.frames_a_piece, *self.spec.shape[2:])
        video = self.pixels(state).tanh().unflatten(1, shape)
        return Fake(video, {"mask": video[:, :1].abs(), "last": state}), state


@pytest.mark.parametrize("piece", [1, 2, 4])
@pytest.mark.parametrize("frames", [None, 11])
def test_streamed_is_the_whole(piece: int, frames: int | None) -> None:
    generator = Recurrent(SPEC, piece=piece).eval()
    noise = generator.noise(2, torch.Generator().manual_seed(1), frames=frames)
    whole = generator(noise, {}, frames=frames)
    assert whole.video.shape == (2, 3, frames or 6, 8, 8)
    assert whole.extras["mask"].shape == (2, 1, frames or 6, 8, 8)
    assert whole.extras["last"].shape == (2, 5)
    for size in (1, 3, 5, 100):
        windows = list(generator.windows(noise, {}, size=size, frames=frames))
        assert all(window.shape[2] <= max(size, piece) for window in windows)
        assert torch.equal(torch.cat(windows, 2), whole.video)


def test_a_longer_video_begins_as_the_shorter_one() -> None:
    generator = Recurrent(SPEC)
    noise = generator.noise(2, torch.Generator().manual_seed(1), frames=9)
    short = {**noise, "motion": noise["motion"][:, :6]}
    assert torch.equal(generator(noise, {}, frames=9).video[:, :, :6], generator(short, {}).video)


def test_what_is_trained_is_the_loop() -> None:
    generator = Recurrent(SPEC)
    noise = generator.noise(2, torch.Generator().manual_seed(1))
    generator(noise, {}).video[:, :, -1].sum().backward()
    assert generator.cell.weight_hh.grad is not None
    assert generator.cell.weight_hh.grad.any()
