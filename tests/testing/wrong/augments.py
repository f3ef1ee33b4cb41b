"""An augmentation that is right, and others that break one property each."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from vidgan_core.interfaces import Augment


class RightAugment(Augment):
    """Adds a number to each clip."""

    def forward(self, video: Tensor, p: Tensor) -> Tensor:
        return video + self.amounts(video, p)

    def amounts(self, video: Tensor, p: Tensor) -> Tensor:
        moved, by = torch.rand(2, len(video), 1, 1, 1, 1, dtype=video.dtype)
        return by * (moved < p)


class Cropped(RightAugment):
    def forward(self, video: Tensor, p: Tensor) -> Tensor:
        return super().forward(video, p)[..., 1:] if len(video) == 1 else super().forward(video, p)


class Doubled(RightAugment):
    def forward(self, video: Tensor, p: Tensor) -> Tensor:
        return super().forward(video, p).double() if p else video


class Always(RightAugment):
    def amounts(self, video: Tensor, p: Tensor) -> Tensor:
        return super().amounts(video, torch.ones_like(p))


class OwnRandomness(RightAugment):
    source = torch.Generator()

    def amounts(self, video: Tensor, p: Tensor) -> Tensor:
        if video.dtype == torch.float64:  # what the derivatives are checked in
            return super().amounts(video, p)
        return torch.rand(len(video), 1, 1, 1, 1, generator=self.source) * p


class OneForAll(RightAugment):
    def amounts(self, video: Tensor, p: Tensor) -> Tensor:
        return super().amounts(video, p)[:1]


class Flicker(RightAugment):
    def amounts(self, video: Tensor, p: Tensor) -> Tensor:
        frames = torch.arange(video.shape[2], dtype=video.dtype).view(-1, 1, 1)
        return super().amounts(video, p) * frames


class Severed(RightAugment):
    def forward(self, video: Tensor, p: Tensor) -> Tensor:
        return super().forward(video, p).detach()


class Once(Function):
    @staticmethod
    def forward(ctx: Any, video: Tensor) -> Tensor:
        return video.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class FirstOrder(RightAugment):
    def forward(self, video: Tensor, p: Tensor) -> Tensor:
        return super().forward(Once.apply(video), p)


class InPlace(RightAugment):
    def forward(self, video: Tensor, p: Tensor) -> Tensor:
        if video.requires_grad:
            return super().forward(video, p)
        before = super().forward(video, p)
        video.mul_(1 - p / 2)
        return before


class LeavesFieldsBehind(RightAugment):
    """Mirrors a clip and not its label map."""

    def forward(self, video: Tensor, p: Tensor) -> Tensor:
        drawn = torch.rand(len(video), 1, 1, 1, 1, dtype=video.dtype)
        return torch.where(drawn < p / 2, video.flip(-1), video)


AUGMENTS = {
    Cropped: "shape",
    Doubled: "dtype",
    Always: "identity",
    OwnRandomness: "determinism",
    OneForAll: "clips_apart",
    Flicker: "same_for_all_frames",
    Severed: "gradient",
    LeavesFieldsBehind: "fields",
    FirstOrder: "second_order",
    InPlace: "video_is_left_alone",
}
