"""A metric that is right, and others that break one property each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Better, Evidence, Metric, PairedMetric


class RightMetric(Metric):
    """The distance of the mean features."""

    better: ClassVar[Mapping[str, Better]] = {"shift": "lower"}
    needs = frozenset({"features"})
    distance = True
    error = "own"

    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        sides = (evidence.real.features, evidence.fake.features)
        if not all(side.isfinite().all() for side in sides):
            raise UsageError("features must be finite")
        means = [side.mean(0) for side in sides]
        return {"shift": float((means[0] - means[1]).norm()), "shift_error": 0.1}


class Babbling(RightMetric):
    needs = frozenset({"features", "magic"})


class Sure(RightMetric):
    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        return {**super().measure(evidence), "shift_error": -1.0}


class Talkative(RightMetric):
    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        return {**super().measure(evidence), "more": 1.0}


class Biased(RightMetric):
    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        return {"shift": abs(super().measure(evidence)["shift"] - 50)}


class Sided(RightMetric):
    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        scale = float(evidence.real.features.std())
        return {"shift": super().measure(evidence)["shift"] / scale}


class Drawing(RightMetric):
    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        torch.rand(1)
        return super().measure(evidence)


class Remembering(RightMetric):
    def __init__(self) -> None:
        self.calls = 0

    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        self.calls += 1
        return {"shift": super().measure(evidence)["shift"] * self.calls}


class Tampering(RightMetric):
    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        numbers = super().measure(evidence)
        evidence.real.video.zero_()
        return numbers


class Needy(RightMetric):
    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        if len(evidence.real) < 10:
            raise UsageError("needs ten clips")
        return super().measure(evidence)


class Trusting(RightMetric):
    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        sides = [side.features.nan_to_num(posinf=0) for side in (evidence.real, evidence.fake)]
        return {"shift": float((sides[0].mean(0) - sides[1].mean(0)).norm())}


class Relative(PairedMetric):
    """Its value of a pair depends on the other pairs."""

    better: ClassVar[Mapping[str, Better]] = {"error": "lower"}

    def values(self, evidence: Evidence) -> Mapping[str, Tensor]:
        error = (evidence.real.video.double() - evidence.fake.video).abs().flatten(1).mean(1)
        return {"error": error - error.min() / 2}


METRICS = {
    Babbling: "declared",
    Sure: "numbers",
    Talkative: "numbers",
    Biased: "identity",
    Sided: "symmetry",
    Drawing: "determinism",
    Remembering: "determinism",
    Tampering: "no_side_effects",
    Needy: "least",
    Trusting: "nan",
    Relative: "values",
}
