"""A discriminator that is right, and others that break one property each."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import torch
from annotated_types import Ge, doc
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from wrong.generators import without

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Discriminator, Tensors, Verdict

Width = Annotated[int, Ge(1), doc("features")]
BLOCK = 8


def check(spec: DataSpec) -> None:
    if spec.height % BLOCK or spec.width % BLOCK:
        raise ShapeError(f"can't do {spec}: height and width must be multiples of {BLOCK}")


class RightDiscriminator(Discriminator):
    """Pixels -> mean over 8x8 blocks -> features -> one score."""

    takes = frozenset({"class", "vector"})

    def __init__(self, spec: DataSpec, *, width: Width = 16) -> None:
        super().__init__(spec)
        check(spec)
        self.inner = nn.Linear(spec.channels * spec.frames, width)
        self.norm = nn.BatchNorm1d(width)
        self.outer = nn.Linear(width, 1)
        for field in spec.condition:
            self.labels: nn.Module = nn.Embedding(field.classes or 0, width)
            if field.kind == "vector":
                self.labels = nn.Linear(field.shape[0], width)

    def features(self, video: Tensor, condition: Tensors) -> Tensor:
        features = self.norm(self.inner(video.mean((3, 4)).flatten(1)))
        for field in self.spec.condition:
            features = features + self.labels(condition[field.name])
        return features.sigmoid()

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        return Verdict((self.outer(self.features(video, condition)),))


class Averaging(RightDiscriminator):
    """One score for the whole batch, repeated in a shape that is not (B, ...)."""

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        (scores,) = super().forward(video, condition).scores
        return Verdict((scores.T,))


class Squashed(RightDiscriminator):
    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        (scores,) = super().forward(video, condition).scores
        return Verdict((scores.sigmoid(),))


class Once(torch.autograd.Function):
    """The identity, which can be differentiated once."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return tensor.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class FirstOrder(RightDiscriminator):
    def features(self, video: Tensor, condition: Tensors) -> Tensor:
        return Once.apply(super().features(video, condition))


class Blindfolded(RightDiscriminator):
    """Gives the generator no direction."""

    def features(self, video: Tensor, condition: Tensors) -> Tensor:
        return super().features(video.detach(), condition)


class Grabbing(RightDiscriminator):
    def features(self, video: Tensor, condition: Tensors) -> Tensor:
        features = super().features(video, condition)
        video.data.mul_(0.5)
        return features


class EmptyPromise(RightDiscriminator):
    gives = frozenset({"features"})


class RestlessCritic(RightDiscriminator):
    """Changes with what it judges, also in eval mode."""

    def features(self, video: Tensor, condition: Tensors) -> Tensor:
        with torch.no_grad():
            self.norm.running_var.mul_(1.01)
        return super().features(video, condition)


class BatchBoundCritic(RightDiscriminator):
    def features(self, video: Tensor, condition: Tensors) -> Tensor:
        features = super().features(video, condition)
        return features + 0.5 * features.mean(0)


class OrderBoundCritic(BatchBoundCritic):
    """Says that it compares clips, and reads which one comes first."""

    compares = True

    def features(self, video: Tensor, condition: Tensors) -> Tensor:
        features = super().features(video, condition)
        return features + 0.5 * features[:1]


class Empty(RightDiscriminator):
    """Gives neither scores nor anything else."""

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        return Verdict(())


class Comparing(BatchBoundCritic):
    """Right: it says that a clip's scores depend on its batch."""

    compares = True


class Drawing(RightDiscriminator):
    """Right: it looks at frames that it draws, in eval mode too."""

    def features(self, video: Tensor, condition: Tensors) -> Tensor:
        kept = torch.rand(len(video), 1, video.shape[2], 1, 1, dtype=video.dtype) < 0.8
        return super().features(video * kept, condition)


class Encoder(RightDiscriminator):
    """Right: an extra network that codes clips, between -1 and 1, and gives no scores."""

    gives = frozenset({"code"})

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        return Verdict((), extras={"code": self.outer(self.features(video, condition)).tanh()})


ALSO_RIGHT = (Comparing, Drawing, Encoder)


class IdleCritic(RightDiscriminator):
    def __init__(self, spec: DataSpec, *, width: Width = 16) -> None:
        super().__init__(spec, width=width)
        if not spec.condition:
            self.unused = nn.Parameter(torch.ones(3))


class LabelBlindCritic(RightDiscriminator):
    def features(self, video: Tensor, condition: Tensors) -> Tensor:
        return super().features(video, without(condition, torch.int64))


class VectorBlindCritic(RightDiscriminator):
    def features(self, video: Tensor, condition: Tensors) -> Tensor:
        return super().features(video, without(condition, torch.float32))


class BluntCritic(RightDiscriminator):
    def __init__(self, spec: DataSpec, *, width: Width = 16) -> None:
        if spec.height % BLOCK:
            raise ShapeError("no")
        super().__init__(spec, width=width)


class HalfPreciseCritic(RightDiscriminator):
    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        return Verdict(tuple(s.float() for s in super().forward(video, condition).scores))


class ForgetfulCritic(RightDiscriminator):
    def __init__(self, spec: DataSpec, *, width: Width = 16) -> None:
        super().__init__(spec, width=width)
        self.secret = torch.rand(width)

    def features(self, video: Tensor, condition: Tensors) -> Tensor:
        features = super().features(video, condition)
        return features * (1 + self.secret.to(features))


class UncopiableCritic(RightDiscriminator):
    def __init__(self, spec: DataSpec, *, width: Width = 16) -> None:
        super().__init__(spec, width=width)
        self.cached = self.outer.weight * 2


class CancellingCritic(RightDiscriminator):
    def features(self, video: Tensor, condition: Tensors) -> Tensor:
        features = super().features(video, condition)
        if torch.is_autocast_enabled("cpu"):
            features = (features.bfloat16() + 1e3) - 1e3
        return features


class EagerCritic(RightDiscriminator):
    def __init__(self, spec: DataSpec, *, width: Width = 16) -> None:
        super().__init__(spec, width=width)
        self.scale = float(self.outer.weight.detach().std())


class TimeBlind(RightDiscriminator):
    """Says that it takes times, and does not read them."""

    takes = frozenset({"class", "time"})

    def __init__(self, spec: DataSpec, *, width: Width = 16) -> None:
        named = tuple(field for field in spec.condition if field.name == "class")
        super().__init__(replace(spec, condition=named), width=width)


DISCRIMINATORS: dict[type, str] = {
    Averaging: "shape",
    BluntCritic: "refusal",
    HalfPreciseCritic: "dtype",
    IdleCritic: "gradients",
    BatchBoundCritic: "any_batch",
    OrderBoundCritic: "any_batch",
    RestlessCritic: "modes",
    ForgetfulCritic: "safetensors",
    UncopiableCritic: "copy",
    CancellingCritic: "bf16",
    EagerCritic: "without_memory",
    LabelBlindCritic: "labels",
    VectorBlindCritic: "fields",
    Squashed: "unbounded",
    Blindfolded: "gradient_of_the_video",
    FirstOrder: "second_order",
    Grabbing: "video_is_left_alone",
    TimeBlind: "time",
    EmptyPromise: "gives",
}
