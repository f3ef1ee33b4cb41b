"""Is what is generated as steady as the clip that it should be? Measured along its motion.

The motion is classical (`flow`), so that these are not the numbers of papers that use FlowNet2 or
OpenCV's Farneback: protocols name it. A clip of one frame has no motion and scores 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from vidgan_core.interfaces import Better, Evidence, PairedMetric
from vidgan_metrics.flow import NAME, flow, warped
from vidgan_metrics.similarity import frames_of


class Consistency(PairedMetric):
    """Two measures of the luma of a generated clip and the real one, each a number a clip.

    The warping error is how much the error changes along the real clip's motion: the mean
    |d(t + 1, p + motion) - d(t, p)| of d, the generated clip minus the real one, in grey levels.
    (Lai et al. 2018 measure the generated clip itself, where a blurred clip scores better than a
    real one.) The flow difference is how far the motions of both clips are apart: the mean length
    of their difference in pixels, which TecoGAN, with another flow, calls tOF (Chu et al. 2020).
    """

    better: ClassVar[Mapping[str, Better]] = {
        "warping-error": "lower",
        "flow-difference": "lower",
    }

    @property
    def conventions(self) -> Mapping[str, object]:
        """How motion is found."""
        return {"flow": NAME}

    def values(self, evidence: Evidence) -> Mapping[str, Tensor]:
        """Return both measures of each pair."""
        pairs = zip(evidence.real.video, evidence.fake.video, strict=True)
        rows = [_measured(frames_of(real).float(), frames_of(fake).float()) for real, fake in pairs]
        return dict(zip(self.better, torch.tensor(rows).T, strict=True))


def _measured(real: Tensor, fake: Tensor) -> tuple[float, float]:
    """Return warping error and flow difference of frames (T, H, W) in [0, 255]."""
    if len(real) < 2:
        return 0.0, 0.0
    wanted, found = (flow(frames[:-1], frames[1:]) for frames in (real, fake))
    error = fake - real
    moved, inside = warped(error[1:], wanted)
    change = ((moved - error[:-1]).abs() * inside).sum() / inside.sum().clamp(min=1)
    return float(change), float((wanted - found).norm(dim=1).mean())
