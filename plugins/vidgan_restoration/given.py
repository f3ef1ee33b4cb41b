"""What restoration networks share: the clip that they are given, and how its frames are handled."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from vidgan_core.errors import ShapeError, UsageError
from vidgan_core.interfaces import DataSpec, Fake, Field, Generator, Tensors
from vidgan_core.tensors import resized

SCALES = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class GivenClip:
    """A condition's only clip, how many times larger the video is, and the vectors next to it."""

    name: str
    scale: int
    vectors: tuple[str, ...]
    levels: int  # numbers in all vectors

    @classmethod
    def of(cls, spec: DataSpec) -> GivenClip:
        """Read a condition. UsageError without exactly one clip, ShapeError for one of no scale."""
        clips = [field for field in spec.condition if field.kind == "clip"]
        if len(clips) != 1:
            raise UsageError(
                f"a network that restores takes one clip, and the condition has {len(clips)}",
                hint="--task superresolution, denoise or deblock",
            )
        vectors = [field for field in spec.condition if field.kind == "vector"]
        return cls(
            clips[0].name,
            scale_of(clips[0], spec),
            tuple(field.name for field in vectors),
            sum(field.shape[0] for field in vectors),
        )

    def frames(self, condition: Tensors) -> Tensor:
        """Return the clip as frames, (B, T, C, h, w)."""
        return condition[self.name].transpose(1, 2)

    def level_maps(self, condition: Tensors, like: Tensor) -> Tensor:
        """Return each number of the vectors as a map: (B, levels, h, w) for (B, ..., h, w)."""
        if not self.vectors:
            return like.new_zeros(len(like), 0, *like.shape[-2:])
        numbers = torch.cat([condition[name] for name in self.vectors], dim=1).to(like.dtype)
        return numbers[..., None, None].expand(-1, -1, *like.shape[-2:])


def scale_of(field: Field, spec: DataSpec) -> int:
    """Return how many times larger the video is than a clip. Raises ShapeError for no such size."""
    for scale in SCALES:
        small = (spec.channels, spec.frames, spec.height / scale, spec.width / scale)
        if field.shape == small:
            return scale
    raise ShapeError(
        f"can't make {spec} of {field.name!r}, {field.shape[1]} frames of {field.shape[2]}x"
        f"{field.shape[3]}: it must be of as many frames and channels, and of the same height and "
        "width or 1/2, 1/3 or 1/4 of them"
    )


class RestorationGenerator(Generator):
    """A generator without noise, whose video is the enlarged clip of its condition and a change.

    In eval mode pixels are clamped to [-1, 1]; in training they are not, so that none is stuck.
    """

    takes = frozenset({"clip", "vector"})
    follows = True

    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        self.given = GivenClip.of(spec)

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        """There is none; the number of frames is that of the clip in the condition."""
        return {}

    def fake(self, frames: Tensor, **extras: Tensor) -> Fake:
        """Return frames (B, T, C, H, W) as what a generator returns."""
        video = frames.transpose(1, 2)
        return Fake(video if self.training else video.clamp(-1, 1), extras)


def enlarged(frames: Tensor, scale: int) -> Tensor:
    """Enlarge frames (..., C, h, w) by bicubic interpolation: what a network improves on."""
    if scale == 1:
        return frames
    flat = frames.reshape(-1, *frames.shape[-3:])
    large: Tensor = interpolate(flat, scale_factor=scale, mode="bicubic", align_corners=False)
    return large.view(*frames.shape[:-3], *large.shape[1:])


def reduced(frames: Tensor, factor: int) -> Tensor:
    """Return frames (..., C, h, w) at 1/factor of their size: means of blocks of pixels."""
    return resized(frames, *(size // factor for size in frames.shape[-2:]))


def padded(frames: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column of (..., C, h, w) up to multiples of a number."""
    height, width = frames.shape[-2:]
    missing = (0, -width % multiple, 0, -height % multiple)
    if not any(missing):
        return frames
    larger = pad(frames.reshape(-1, *frames.shape[-3:]), missing, mode="replicate")
    return larger.view(*frames.shape[:-3], *larger.shape[1:])


def cropped(frames: Tensor, like: Tensor, scale: int) -> Tensor:
    """Return of (..., H, W) what belongs to frames (..., h, w) of 1/scale of the size."""
    height, width = (scale * size for size in like.shape[-2:])
    return frames[..., :height, :width]
