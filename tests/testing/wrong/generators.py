"""A generator that is right, and others that break one property each."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, doc
from torch import Tensor, nn

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Fake, Generator, Tensors

Width = Annotated[int, Ge(1), doc("features")]
BLOCK = 8


def check(spec: DataSpec) -> None:
    if spec.height % BLOCK or spec.width % BLOCK:
        raise ShapeError(f"can't do {spec}: height and width must be multiples of {BLOCK}")


def without(condition: Tensors, dtype: torch.dtype) -> Tensors:
    """A condition whose fields of one dtype are all 0."""
    return {n: torch.zeros_like(c) if c.dtype == dtype else c for n, c in condition.items()}


class RightGenerator(Generator):
    """z -> frames of 8x8 blocks, by two linear layers with BatchNorm between."""

    takes = frozenset({"class", "vector"})

    def __init__(self, spec: DataSpec, *, width: Width = 16) -> None:
        super().__init__(spec)
        check(spec)
        self.inner = nn.Linear(4 + sum(f.classes or sum(f.shape) for f in spec.condition), width)
        self.norm = nn.BatchNorm1d(width)
        self.outer = nn.Linear(width, spec.channels * spec.frames)

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        self.fixed_frames(frames)
        return {"z": torch.randn(n, 4, generator=rng)}

    def features(self, noise: Tensors, condition: Tensors) -> Tensor:
        parts = [noise["z"]]
        for field in self.spec.condition:
            value = condition[field.name]
            if field.kind == "label":
                value = nn.functional.one_hot(value, field.classes or 0)
            parts.append(value.to(noise["z"].dtype))
        return self.norm(self.inner(torch.cat(parts, 1)))

    def pixels(self, features: Tensor) -> Tensor:
        colours = self.outer(features).tanh().unflatten(1, self.spec.shape[:2])
        return colours[..., None, None].expand(-1, -1, -1, *self.spec.shape[2:])

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        return Fake(self.pixels(self.features(noise, condition)))


class Misshapen(RightGenerator):
    def pixels(self, features: Tensor) -> Tensor:
        return super().pixels(features).transpose(1, 2)


class Blunt(RightGenerator):
    """Refuses without saying what would do."""

    def __init__(self, spec: DataSpec, *, width: Width = 16) -> None:
        if spec.height % BLOCK:
            raise ShapeError("no")
        super().__init__(spec, width=width)


class Crashing(RightGenerator):
    def __init__(self, spec: DataSpec, *, width: Width = 16) -> None:
        if spec.height % BLOCK:
            raise ValueError("height and width must be multiples of 8")
        super().__init__(spec, width=width)


class HalfPrecise(RightGenerator):
    def pixels(self, features: Tensor) -> Tensor:
        return super().pixels(features).float()


class Idle(RightGenerator):
    def __init__(self, spec: DataSpec, *, width: Width = 16) -> None:
        super().__init__(spec, width=width)
        if not spec.condition:
            self.unused = nn.Parameter(torch.ones(3))


class BatchBound(RightGenerator):
    def features(self, noise: Tensors, condition: Tensors) -> Tensor:
        features = super().features(noise, condition)
        return features - 0.5 * features.mean(0)


class Restless(RightGenerator):
    """Random in eval mode, the same for all clips of a batch."""

    def features(self, noise: Tensors, condition: Tensors) -> Tensor:
        return super().features(noise, condition) * (1 + 0.1 * torch.rand(()))


class Forgetful(RightGenerator):
    """A part of what it does is not in its state."""

    def __init__(self, spec: DataSpec, *, width: Width = 16) -> None:
        super().__init__(spec, width=width)
        self.secret = torch.rand(width)

    def features(self, noise: Tensors, condition: Tensors) -> Tensor:
        features = super().features(noise, condition)
        return features * (1 + self.secret.to(features))


class Uncopiable(RightGenerator):
    def __init__(self, spec: DataSpec, *, width: Width = 16) -> None:
        super().__init__(spec, width=width)
        self.cached = self.outer.weight * 2


class Cancelling(RightGenerator):
    """Loses in bfloat16 what it keeps in float32."""

    def features(self, noise: Tensors, condition: Tensors) -> Tensor:
        features = super().features(noise, condition)
        if torch.is_autocast_enabled("cpu"):
            features = (features.bfloat16() + 1e3) - 1e3
        return features


class Eager(RightGenerator):
    """Looks at its weights as it is built."""

    def __init__(self, spec: DataSpec, *, width: Width = 16) -> None:
        super().__init__(spec, width=width)
        self.scale = float(self.outer.weight.detach().std())


class LabelBlind(RightGenerator):
    def features(self, noise: Tensors, condition: Tensors) -> Tensor:
        return super().features(noise, without(condition, torch.int64))


class VectorBlind(RightGenerator):
    def features(self, noise: Tensors, condition: Tensors) -> Tensor:
        return super().features(noise, without(condition, torch.float32))


class Glaring(RightGenerator):
    def pixels(self, features: Tensor) -> Tensor:
        return super().pixels(features) * 1.5


class OwnNoise(RightGenerator):
    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        self.fixed_frames(frames)
        return {"z": torch.randn(n, 4)}


class ShortNoise(RightGenerator):
    """One row for all clips."""

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        return dict(super().noise(n, rng, frames=frames)) | {"style": torch.randn(1, generator=rng)}


class DeafToLength(RightGenerator):
    def fixed_frames(self, frames: int | None) -> int:
        return self.spec.frames


class OutOfTime(RightGenerator):
    """Takes times and makes whole clips."""

    takes = frozenset({"class", "vector", "time"})


class Promising(RightGenerator):
    gives = frozenset({"mask"})


class FixedLength(Generator):
    """Makes a clip of the clip that it follows, by one layer, but always of one length."""

    takes = frozenset({"clip"})
    follows = True

    def __init__(self, spec: DataSpec, *, width: Width = 16) -> None:
        super().__init__(spec)
        if spec.condition[0].shape != spec.shape:
            raise ShapeError("the clip must be as large as the video, 1 time")
        self.layer = nn.Conv3d(spec.channels, spec.channels, 3, padding=1)

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        return {}

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        made = self.layer(condition[self.spec.condition[0].name]).tanh()
        return Fake(self.cut(made))

    def cut(self, made: Tensor) -> Tensor:
        return made[:, :, : self.spec.frames]


class FarSighted(FixedLength):
    """Depends on a frame more than it says."""

    frames_reach = 0
    pixels_reach = 1

    def cut(self, made: Tensor) -> Tensor:
        return made


GENERATORS: dict[type, str] = {
    Misshapen: "shape",
    Blunt: "refusal",
    Crashing: "refusal",
    HalfPrecise: "dtype",
    Idle: "gradients",
    BatchBound: "any_batch",
    Restless: "modes",
    Forgetful: "safetensors",
    Uncopiable: "copy",
    Cancelling: "bf16",
    Eager: "without_memory",
    LabelBlind: "labels",
    VectorBlind: "fields",
    Glaring: "range",
    OwnNoise: "noise",
    ShortNoise: "noise",
    DeafToLength: "length",
    OutOfTime: "time",
    Promising: "gives",
    FixedLength: "follows",
    FarSighted: "reach",
}
