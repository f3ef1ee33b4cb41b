"""The generator of MoCoGAN, Tulyakov et al. 2018.

"MoCoGAN: Decomposing Motion and Content for Video Generation", section 3: a clip is a path in the
space of images, z(t) = [content, motion(t)], with one content code for the clip and motion codes
that a GRU makes of per-frame noise (equations 1 to 3).

Differs from the paper: a class is an embedding next to the content, and a projection in the
critics, in place of a code that the discriminator has to recover (InfoGAN); other sizes of clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge, doc
from torch import Tensor, nn

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Fake, Generator, Tensors
from vidgan_core.nn.conditioning import ClassEmbedding

DOUBLINGS = 4
Width = Annotated[int, Ge(1), doc("channels next to the pixels, doubled at each layer inwards")]


class TwoStreamGenerator(Generator):
    """GRU over per-frame noise, then a 2D decoder for every (content, motion) pair.

    A class is a vector as long as the content code, concatenated to it, the same for all frames.
    """

    takes = frozenset({"class", "tokens"})

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Width = 64,
        content: Annotated[int, Ge(1), doc("length of the content code")] = 50,
        motion: Annotated[int, Ge(1), doc("length of a motion code")] = 10,
    ) -> None:
        super().__init__(spec)
        shrink = 2**DOUBLINGS
        if spec.height % shrink or spec.width % shrink:
            raise ShapeError(
                f"can't make {spec}: height and width must be multiples of {shrink} "
                "(such as 32, 64, 96, 128); any number of frames will do"
            )
        self.content = content
        self.motion = motion
        self.label = ClassEmbedding(spec, content)
        self.recurrent = nn.GRU(motion, motion, batch_first=True)
        channels = [8 * width, 4 * width, 2 * width, width]
        block = (spec.height // shrink, spec.width // shrink)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(content + self.label.size + motion, channels[0], block, bias=False),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(inplace=True),
        ]
        for inner, outer in pairwise(channels):
            layers += [
                nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=False),
                nn.BatchNorm2d(outer),
                nn.ReLU(inplace=True),
            ]
        layers += [nn.ConvTranspose2d(width, spec.channels, 4, 2, 1, bias=False), nn.Tanh()]
        self.decoder = nn.Sequential(*layers)

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        """Draw content (n, content) and motion (n, 1 + frames, motion), standard normal.

        The first motion vector is the GRU's initial state, the others its input, one a frame.
        """
        length = self.spec.frames if frames is None else frames
        if length < 1:
            raise ShapeError(f"can't make {length} frames")
        return {
            "content": torch.randn(n, self.content, generator=rng),
            "motion": torch.randn(n, 1 + length, self.motion, generator=rng),
        }

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        """Make the video (n, C, T, H, W); the length is that of the noise."""
        start, draws = _path(noise)
        paths, _ = self.recurrent(draws, start)  # (n, T, motion)
        return Fake(self._frames(self.label(noise["content"], condition), paths))

    def windows(
        self, noise: Tensors, condition: Tensors, *, size: int, frames: int | None = None
    ) -> Iterator[Tensor]:
        """Yield the video in windows; between them lives the GRU's state alone."""
        content = self.label(noise["content"], condition)
        state, draws = _path(noise)
        for part in torch.split(draws, size, dim=1):
            paths, state = self.recurrent(part, state)  # (n, t, motion)
            yield self._frames(content, paths)

    def _frames(self, content: Tensor, paths: Tensor) -> Tensor:
        """Decode motion codes (n, T, motion), with a content code (n, content + label) a clip."""
        n, length, _ = paths.shape
        content = content[:, None].expand(-1, length, -1)
        codes = torch.cat([content, paths], dim=2)  # (n, T, content + label + motion)
        images: Tensor = self.decoder(codes.flatten(0, 1)[:, :, None, None])  # (n*T, C, H, W)
        # (n*T, C, H, W) -> (n, T, C, H, W) -> (n, C, T, H, W)
        return images.view(n, length, *images.shape[1:]).transpose(1, 2)


def _path(noise: Tensors) -> tuple[Tensor, Tensor]:
    """Return the GRU's initial state (1, n, motion) and its input (n, T, motion)."""
    motion = noise["motion"]
    return motion[:, 0].contiguous()[None], motion[:, 1:]
