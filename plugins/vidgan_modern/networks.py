"""A minimal modern baseline for video, after R3GAN, Huang et al. 2024.

No normalisation: residual blocks, the relativistic paired loss (`rpgan`) and the terms `r1` and
`r2`.

Differs from the paper, which makes images: convolutions are (2+1)D; `r1` and `r2` act every fourth
step; the discriminator also judges how a clip changes and how clips vary. The
blocks work on grids of a quarter of the frame's height and width and below, where channels are
cheap; between those and the pixels are plain convolutions of few channels on a grid of half the
frame's size, and on its own, and at the end a few maps in colours that the noise draws. There is no
tanh, which without normalisation saturates for good: pixels are clamped instead.
"""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le, MultipleOf, doc
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Discriminator, Fake, Generator, Tensors, Verdict
from vidgan_core.nn.conditioning import ClassEmbedding, Projection
from vidgan_core.tensors import at_least_float32
from vidgan_modern.blocks import Grid, Scale, growing, shrinking
from vidgan_modern.pixels import Palette, bounded, from_pixels, to_maps

PATCH = 4  # pixels of a frame, in height and width, that one place of the largest grid stands for
FINE = 16  # channels at most on the grid of half the frame's size; half as many on its own
EPSILON = 1e-4  # of a variance
MAPS = 4  # of a pixel, each in a colour of its own
Width = Annotated[int, Ge(8), MultipleOf(8), doc("channels of the largest grid")]
Depth = Annotated[int, Ge(1), Le(100), doc("residual blocks a grid")]


def plan(spec: DataSpec, width: int) -> tuple[list[int], list[Grid]]:
    """Return channels and grids of the three stages, the smallest first. Raises ShapeError."""
    if spec.height % 16 or spec.width % 16:
        raise ShapeError(
            f"can't do {spec}: height and width must be multiples of 16 (such as 32, 64, 96, 128); "
            "any number of frames will do"
        )
    halvings = next(n for n in (4, 2, 1) if spec.frames % n == 0)
    frames = [spec.frames // halvings, spec.frames // max(1, halvings // 2), spec.frames]
    sizes = [(spec.height // n, spec.width // n) for n in (4 * PATCH, 2 * PATCH, PATCH)]
    grids = [(t, h, w) for t, (h, w) in zip(frames, sizes, strict=True)]
    return [2 * width, 2 * width, width], grids


def deviation(values: Tensor, dim: int) -> Tensor:
    """Return the standard deviation along `dim`, which goes.

    EPSILON keeps the square root's derivative finite where all values are the same.
    """
    return (values.var(dim, correction=0) + EPSILON).sqrt()


def variety(rows: Tensor, group: int) -> Tensor:
    """Return for each row (B, F) how its group deviates, (B, F): so many rows after one another.

    A batch that does not consist of whole groups has smaller ones.
    """
    size = next(n for n in range(min(group, len(rows)), 0, -1) if len(rows) % n == 0)
    return deviation(rows.reshape(-1, size, rows.shape[1]), 1).repeat_interleave(size, 0)


class ModernGenerator(Generator):
    """Noise scales a learned basis; three grids of residual blocks; pixels by way of finer ones.

    It also scales the channels that leave each grid, the same in all frames: what does not change
    in a clip need not be kept up by convolutions along time. Its palette does so with colours.

    A class is a vector as long as the noise, concatenated to it.
    """

    takes = frozenset({"class", "tokens"})

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Width = 64,
        depth: Depth = 2,
        noise_size: Annotated[int, Ge(1), doc("length of the noise vector z")] = 64,
        recompute: Annotated[bool, doc("make activations twice, keep none")] = False,
    ) -> None:
        super().__init__(spec)
        self.noise_size = noise_size
        self.recompute = recompute
        channels, grids = plan(spec, width)
        self.basis = nn.Parameter(torch.randn(channels[0], *grids[0]))
        self.label = ClassEmbedding(spec, noise_size)
        size = noise_size + self.label.size
        self.first = Scale(size, channels[0], mean=0, std=1)
        self.trunk = growing(channels, grids, depth)
        self.to_maps = to_maps(width, min(FINE, width // 2), MAPS)
        self.scales = nn.ModuleList(Scale(size, outer, mean=1, std=0.5) for outer in channels)
        self.palette = Palette(size, MAPS, spec.channels)

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        """Draw z (n, noise_size), standard normal."""
        self.fixed_frames(frames)
        return {"z": torch.randn(n, self.noise_size, generator=rng)}

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        """Make the video (n, C, T, H, W)."""
        z = self.label(noise["z"], condition)
        x = self.first(z) * self.basis
        for stage, scale in zip(self.trunk, self.scales, strict=True):
            x = self._blocks(stage, x) * scale(z)
        return Fake(bounded(self.palette(self.to_maps(x), z)))

    def _blocks(self, stage: nn.Module, x: Tensor) -> Tensor:
        for block in stage.children():
            x = checkpoint(block, x, use_reentrant=False) if self.recompute else block(x)
        return x


class ModernDiscriminator(Discriminator):
    """The generator backwards, but for the pixels, taken four at once; a critic on each grid.

    A critic's score (B, 1) is of the whole clip. Those on the two larger grids know each channel's
    mean and the class alone, so what pieces of the clip look like and how they move, wherever they
    are.

    The one on the smallest knows where things are and, of all grids, two deviations of channels'
    means over places: over time, since they stay the same where things only move, and convolutions
    of a few frames can't tell that one slowly becomes another; and over a `group` of clips (Karras
    et al. 2018, "Progressive Growing of GANs", section 3), since a generator that makes one good
    clip again and again is not found out clip by clip. In eval mode, and with a group of 1, a
    clip's score is its own.
    """

    takes = frozenset({"class", "tokens"})
    gives = frozenset({"features"})

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Width = 64,
        depth: Depth = 2,
        group: Annotated[int, Ge(1), doc("clips whose variety is judged together")] = 4,
    ) -> None:
        super().__init__(spec)
        self.group = group
        channels, grids = plan(spec, width)
        self.from_pixels = from_pixels(spec.channels, min(FINE, width // 2), width)
        self.trunk = shrinking(channels, grids, depth)
        self.basis = nn.Conv3d(channels[0], channels[0], grids[0], groups=channels[0], bias=False)
        own = channels[0] + sum(channels)  # features of a clip by itself
        self.score = nn.Linear(own + sum(channels), 1)
        self.projection = Projection(spec, own)
        larger = list(reversed(channels[1:]))
        self.pieces = nn.ModuleList(nn.Linear(size, 1) for size in larger)
        self.pieces_by_class = nn.ModuleList(Projection(spec, size) for size in larger)

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        """Score each clip, by the smallest grid first."""
        maps = self.from_pixels(video)
        means = []  # over places: (B, channels, T), from the largest grid to the smallest
        for stage in self.trunk:
            maps = stage(maps)
            # Means that differ little from frame to frame lose what they differ by in bf16.
            means.append(maps.mean((3, 4), dtype=at_least_float32(maps[:0]).dtype))
        with torch.autocast(video.device.type, enabled=False):
            return self._judge(at_least_float32(maps), means, condition)

    def _judge(self, maps: Tensor, means: list[Tensor], condition: Tensors) -> Verdict:
        """Score by the smallest grid's maps and the means, in full precision.

        The loss reads small differences between scores; bf16 knows a score to 1/256 of its size.
        """
        clips = [mean.mean(2) for mean in means]
        changes = [deviation(mean, 2) for mean in means]
        phi = torch.cat([self.basis(maps).flatten(1), *changes], dim=1)
        others = variety(torch.cat(clips, dim=1), self.group if self.training else 1)
        score = self.projection(self.score(torch.cat([phi, others], dim=1)), phi, condition)
        critics = zip(self.pieces, self.pieces_by_class, clips, strict=False)
        pieces = (by_class(judge(clip), clip, condition) for judge, by_class, clip in critics)
        return Verdict((score, *pieces), (phi,))
