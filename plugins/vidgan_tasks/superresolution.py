"""Raising a video's resolution: the condition is a small copy of the clip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, doc
from PIL.Image import Resampling

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces.dataset import DataSpec, Field
from vidgan_core.interfaces.task import Task
from vidgan_core.media.frames import Frames
from vidgan_tasks.filters import gaussian
from vidgan_tasks.pixels import Clip, resized, to_clip, to_frames, to_pixels
from vidgan_tasks.real_degradation import degraded

LOW = "low"


class SuperResolution(Task):
    """Adds "low", the clip at 1/scale of its height and width, uint8 (C, T, H/scale, W/scale).

    "bicubic" (often BI) is Pillow's antialiased bicubic. "blur" (often BD) is a Gaussian of `blur`
    pixels of which the value in the middle of each block of scale x scale pixels is taken; common
    code takes the block's first pixel, which moves the picture by (scale - 1) / 2 pixels. "real"
    is the chain of `real_degradation`, for videos of which nobody knows what was done to them.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        scale: Annotated[int, Ge(2), Le(4), doc("how many times larger")] = 4,
        degradation: Annotated[
            Literal["bicubic", "blur", "real"], doc("how the small copy is made")
        ] = "bicubic",
        blur: Annotated[
            float, Gt(0), Le(10), doc("pixels, standard deviation of the degradation 'blur'")
        ] = 1.6,
    ) -> None:
        super().__init__(spec)
        self.scale, self.degradation, self.blur = scale, degradation, blur
        height, width = self._small(spec.height, spec.width)
        self.fields = (Field(LOW, "clip", (spec.channels, spec.frames, height, width)),)

    def pair(self, item: Mapping[str, Any], key: int) -> Mapping[str, Any]:
        """Return the item with its small copy. Raises ShapeError for a size that has none."""
        return {**item, LOW: self._degraded(item["video"], key)}

    def condition(self, frames: Frames) -> Mapping[str, Any]:
        """Return a user's frames as they are: they are what is to be enlarged."""
        return {LOW: to_clip(frames)}

    def baselines(self, condition: Mapping[str, Any]) -> Mapping[str, Frames]:
        """Return the small clip enlarged by Pillow."""
        low = condition[LOW]
        height, width = (self.scale * size for size in low.shape[-2:])
        filters = {"bicubic": Resampling.BICUBIC, "lanczos": Resampling.LANCZOS}
        return {name: to_frames(resized(low, height, width, f)) for name, f in filters.items()}

    def _small(self, height: int, width: int) -> tuple[int, int]:
        if height % self.scale or width % self.scale:
            raise ShapeError(
                f"can't do frames of {height}x{width}: height and width must be multiples of "
                f"task.scale, {self.scale}"
            )
        return height // self.scale, width // self.scale

    def _degraded(self, video: Clip, key: int) -> Clip:
        height, width = self._small(*video.shape[-2:])
        match self.degradation:
            case "bicubic":
                return resized(video, height, width, Resampling.BICUBIC)
            case "blur":
                return to_pixels(gaussian(video, self.blur, every=self.scale))
        return degraded(video, height, width, key)
