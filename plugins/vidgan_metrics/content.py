"""Content consistency: does a clip show the same thing from its first frame to its last?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Better, Evidence, Metric
from vidgan_metrics.averages import averaged

BRIGHT = 10  # of 255: what lies above, in any channel, is not the background


class ColourDistance(Metric):
    """ACD of shapes, Tulyakov et al. 2018, section 4: how the colour of what is shown drifts.

    A frame's content is the mean colour in [0, 255] of its pixels that are not black; a clip's
    number is the mean Euclidean distance of the contents of every two of its frames, a frame with
    the background alone left out. For clips such as those of `shapes`. 0 is best, and also what
    clips that stand still get: read it together with a distance.
    """

    better: ClassVar[Mapping[str, Better]] = {"acd": "real"}
    needs = frozenset({"video"})
    least = 1
    fast = False
    error = "own"

    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        """Return the mean over clips. UsageError where no clip shows anything in two frames."""
        found = torch.stack([average_distance(colours(clip)) for clip in evidence.fake.video])
        usable = found.isfinite()
        values, group = found[usable], evidence.fake.group
        if not len(values):
            raise UsageError("acd: no generated clip shows anything but black in two frames")
        return averaged("acd", values, None if group is None else group[usable])


class ContentDistance(Metric):
    """ACD on features: the mean distance of the features of every two frames of a clip.

    Tulyakov et al. 2018 take OpenFace's, for faces; here they are those that were asked for.
    """

    better: ClassVar[Mapping[str, Better]] = {"acd-features": "real"}
    needs = frozenset({"frame-features"})
    least = 1
    fast = False
    error = "own"

    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        """Return the mean over clips. UsageError for features that are not finite."""
        rows = evidence.fake.frame_features
        if rows is None or not rows.isfinite().all():
            raise UsageError("the features of the generated frames are missing or not finite")
        values = torch.stack([average_distance(clip.double()) for clip in rows])
        return averaged("acd-features", values, evidence.fake.group)


def colours(clip: Tensor) -> Tensor:
    """Return the mean colour (T', C) of what is not black in the frames that hold some."""
    shown = (clip > BRIGHT).any(0)  # (T, H, W)
    counts = shown.sum((1, 2))
    sums = (clip.double() * shown).sum((2, 3)).T  # (C, T) -> (T, C)
    return sums[counts > 0] / counts[counts > 0, None]


def average_distance(contents: Tensor) -> Tensor:
    """Return the mean distance of every two rows, (): NaN for fewer than two."""
    return torch.pdist(contents).mean()
