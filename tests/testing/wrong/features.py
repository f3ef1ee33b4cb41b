"""Features that are right, and others that break one property each."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import doc
from torch import Tensor, nn

from vidgan_core.data.cache import digest
from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Features


class RightFeatures(Features):
    sensitive_to = frozenset({"noise"})

    def __init__(
        self, spec: DataSpec, *, bins: Annotated[int, doc("of the histogram")] = 4
    ) -> None:
        super().__init__(spec)
        if spec.height < 16:
            raise ShapeError(f"can't look at {spec}: height must be at least 16")
        self.bins = bins
        self.layer = nn.Linear(bins, 3)
        with torch.no_grad():
            self.layer.weight.copy_(torch.arange(3 * bins).view(3, bins))
            self.layer.bias.zero_()
        self.eval().requires_grad_(False)

    @property
    def fingerprint(self) -> str:
        return digest("right", self.bins)

    def forward(self, video: Tensor) -> Tensor:
        edges = torch.linspace(-1, 1, self.bins + 1)
        place = torch.bucketize(video.flatten(1), edges[1:-1])
        shares = torch.stack([(place == n).float().mean(1) for n in range(self.bins)], 1)
        return self.layer(shares)


class Lengthy(RightFeatures):
    def forward(self, video: Tensor) -> Tensor:
        return torch.cat([super().forward(video), video.mean((1, 3, 4))], 1)


class Surly(RightFeatures):
    def __init__(self, spec: DataSpec) -> None:
        if spec.height < 16:
            raise ShapeError("no")
        super().__init__(spec)


class Fickle(RightFeatures):
    def forward(self, video: Tensor) -> Tensor:
        return super().forward(video) + 1e-6 * torch.rand(1)


class Mingling(RightFeatures):
    def forward(self, video: Tensor) -> Tensor:
        vectors = super().forward(video)
        return vectors - vectors.mean(0)


class Trainable(RightFeatures):
    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        self.requires_grad_(True)

    def forward(self, video: Tensor) -> Tensor:
        return super().forward(video).detach()


class Training(RightFeatures):
    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        self.train()


class Forgetful(RightFeatures):
    @property
    def fingerprint(self) -> str:
        return "right"


class Boasting(RightFeatures):
    sensitive_to = frozenset({"everything"})  # type: ignore[arg-type]


FEATURES = {
    Lengthy: "shape",
    Surly: "refusal",
    Fickle: "determinism",
    Mingling: "rows",
    Trainable: "frozen",
    Training: "frozen",
    Forgetful: "fingerprint",
    Boasting: "claims",
}
