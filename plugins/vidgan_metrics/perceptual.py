"""How different two clips look to a network that recognises things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Better, Evidence, PairedMetric


class Perceptual(PairedMetric):
    """Mean squared distance of scaled feature maps of `lite0`, place by place, frame by frame.

    As LPIPS (Zhang et al. 2018) without its learned weights, and on another network: not LPIPS.
    """

    better: ClassVar[Mapping[str, Better]] = {"perceptual": "lower"}
    needs: ClassVar[frozenset[str]] = frozenset({"frame-features", "pairs"})

    @property
    def features(self) -> Mapping[str, Mapping[str, Any]]:
        """The maps of each frame, at the frame's own size."""
        return {"lite0": {"maps": True}}

    def values(self, evidence: Evidence) -> Mapping[str, Tensor]:
        """Return the distance of each pair."""
        real, fake = evidence.real.frame_features, evidence.fake.frame_features
        assert real is not None
        assert fake is not None
        distance = (real.double() - fake.double()).square().sum(2).mean(1)  # (N, T, D) -> (N,)
        if not distance.isfinite().all():
            raise UsageError("the features hold numbers that are not finite")
        return {"perceptual": distance}
