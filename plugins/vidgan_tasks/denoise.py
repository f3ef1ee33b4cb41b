"""Removing noise: the condition is the clip with Gaussian noise on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le, doc

from vidgan_core.interfaces.dataset import DataSpec, Field
from vidgan_core.interfaces.task import Task
from vidgan_core.media.frames import Frames
from vidgan_tasks.filters import gaussian, temporal
from vidgan_tasks.pixels import to_clip, to_frames, to_pixels
from vidgan_tasks.ranges import ends

NOISY, SIGMA = "noisy", "sigma"
WHITE = 255.0
Level = Annotated[float, Ge(0), Le(WHITE)]
WIDTH = 0.9  # pixels, of the Gaussian among the baselines


class Denoise(Task):
    """Adds "noisy", the clip with white Gaussian noise, uint8 (C, T, H, W).

    Unless `blind`, also "sigma" (1,), the noise's standard deviation: float32, in units of white.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        sigma: Annotated[
            Level | tuple[Level, Level],
            doc("grey levels, standard deviation of the noise; two: each clip's is between them"),
        ] = (5.0, 50.0),
        blind: Annotated[bool, doc("do not tell the generator how much noise there is")] = False,
        level: Annotated[
            Level, doc("grey levels of noise in your own videos; 0: the middle of task.sigma")
        ] = 0.0,
    ) -> None:
        super().__init__(spec)
        self.sigma = ends("task.sigma", sigma)
        self.blind = blind
        self.level = level or sum(self.sigma) / 2
        known = () if blind else (Field(SIGMA, "vector", (1,)),)
        self.fields = (Field(NOISY, "clip", spec.shape), *known)

    def pair(self, item: Mapping[str, Any], key: int) -> Mapping[str, Any]:
        """Return the item with its noisy copy. An alpha channel is left as it is."""
        rng = np.random.default_rng(key)
        sigma = rng.uniform(*self.sigma)
        colours, alpha = item["video"][:3], item["video"][3:]
        noise = np.float32(sigma) * rng.standard_normal(colours.shape, np.float32)
        noisy = np.concatenate([to_pixels(colours + noise), alpha])
        return {**item, NOISY: noisy, **self._told(sigma)}

    def condition(self, frames: Frames) -> Mapping[str, Any]:
        """Return a user's frames as they are, and `level` as the noise in them."""
        return {NOISY: to_clip(frames), **self._told(self.level)}

    def baselines(self, condition: Mapping[str, Any]) -> Mapping[str, Frames]:
        """Return mean and median of three frames, a Gaussian in space, and it after the mean."""
        near = temporal(condition[NOISY])
        mean = near.mean(0)
        filtered = {
            "temporal-mean": mean,
            "temporal-median": np.median(near, 0),
            "gaussian": gaussian(condition[NOISY], WIDTH),
            "gaussian-mean": gaussian(mean, WIDTH),
        }
        return {name: to_frames(to_pixels(values)) for name, values in filtered.items()}

    def _told(self, sigma: float) -> Mapping[str, Any]:
        return {} if self.blind else {SIGMA: np.array([sigma / WHITE], np.float32)}
