"""Training on few frames, as StyleGAN-V does: Skorokhodov, Tulyakov & Elhoseiny 2022.

Section 3.2: a generator that renders a frame without the ones before it needs only a few frames of
a clip to learn from, at random times, if the discriminator is told the times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, doc

from vidgan_core.interfaces.dataset import DataSpec, Field
from vidgan_core.interfaces.task import Task


class SparseFrames(Task):
    """Draws frames of each clip, in order, and adds their numbers (frames,) as the field "time".

    Networks that take times make and judge these frames alone; what is sampled and measured are
    whole clips.
    """

    measured = False

    def __init__(
        self,
        spec: DataSpec,
        *,
        frames: Annotated[int, Ge(1), doc("frames of a clip, all of a shorter one")] = 3,
    ) -> None:
        super().__init__(spec)
        self.frames = min(frames, spec.frames)
        self.fields = (Field("time", "time", (self.frames,)),)

    @property
    def trained(self) -> DataSpec:
        """A clip of so many frames."""
        return replace(self.spec, frames=self.frames)

    def pair(self, item: Mapping[str, Any], key: int) -> Mapping[str, Any]:
        """Return the item with some of its frames and their numbers."""
        rng = np.random.default_rng(key)
        times = np.sort(rng.choice(item["video"].shape[1], self.frames, replace=False))
        return {**item, "video": item["video"][:, times], "time": times.astype(np.float32)}
