"""Any discriminator made conditional on pictures, by joining them with the clip.

Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks" (pix2pix),
section 3: the discriminator sees the condition and the output side by side, on channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from vidgan_core.errors import ShapeError, UsageError
from vidgan_core.interfaces import DataSpec, Discriminator, Field, Tensors, Verdict
from vidgan_core.tensors import resized

PICTURES = frozenset({"clip", "map"})


class ConcatCondition(Discriminator):
    """A discriminator that is shown each clip together with the pictures of its condition.

    A clip or a label map with as many frames as the clip, or with one, which is repeated, is
    brought to its height and width and joined on channels, a map as one channel a class. A clip
    of the same channels and another number of frames is past: it is joined on time, before the
    clip, and has zeros for what the others add. Everything else of the condition goes on to the
    discriminator, which `make` builds for the clip as joined. Raises UsageError where the
    condition holds no picture, ShapeError where one can't be joined.
    """

    def __init__(self, spec: DataSpec, make: Callable[[DataSpec], Discriminator]) -> None:
        super().__init__(spec)
        pictures = [field for field in spec.condition if field.kind in PICTURES]
        if not pictures:
            raise UsageError("concat: the condition holds no clip and no label map")
        self.past = [field for field in pictures if is_past(field, spec)]
        self.channels = [field for field in pictures if not is_past(field, spec)]
        self.discriminator = make(self._joined(spec))
        self.takes = self.discriminator.takes | PICTURES
        self.gives = self.discriminator.gives

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        """Judge clips (B, C, T, H, W) with their condition."""
        rest = self.discriminator.condition_from(condition)
        return self.discriminator(self.join(video, condition), rest)

    def join(self, video: Tensor, condition: Tensors) -> Tensor:
        """Return (B, C + channels of pictures, past frames + T, H, W)."""
        size = video.shape[3:]
        parts = [video]
        for field in self.channels:
            picture = resized(condition[field.name], *size)
            if field.kind == "map":
                picture = one_hot(picture, field.classes or 0)
            picture = picture.to(video.dtype)
            parts.append(picture.expand(-1, -1, video.shape[2], -1, -1))
        joined = torch.cat(parts, 1)
        before = [resized(condition[field.name], *size).to(video.dtype) for field in self.past]
        if not before:
            return joined
        missing = joined.shape[1] - video.shape[1]
        # a pad counts from the last axis: W, H, T, and then the channels behind
        return torch.cat([*(pad(b, (0, 0, 0, 0, 0, 0, 0, missing)) for b in before), joined], 2)

    def _joined(self, spec: DataSpec) -> DataSpec:
        added = sum(channels_of(field) for field in self.channels)
        return replace(
            spec,
            channels=spec.channels + added,
            frames=spec.frames + sum(field.shape[1] for field in self.past),
            condition=tuple(f for f in spec.condition if f.kind not in PICTURES),
        )


def is_past(field: Field, spec: DataSpec) -> bool:
    """Say whether a picture is joined on time. Raises ShapeError for one that can't be joined."""
    frames = field.shape[-3]
    if frames == spec.frames:
        return False
    if field.kind == "clip" and field.shape[0] == spec.channels:
        return True
    if frames == 1:
        return False
    raise ShapeError(
        f"can't join the {field.kind} {field.name!r} of {frames} frames with {spec}: "
        f"its frames must be {spec.frames} or 1"
    )


def channels_of(field: Field) -> int:
    """Return how many channels a picture adds."""
    return field.shape[0] if field.kind == "clip" else field.classes or 0


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """(B, T, H, W) -> (B, classes, T, H, W) of True and False."""
    known = torch.arange(classes, device=labels.device).view(1, -1, 1, 1, 1)
    return labels[:, None] == known
