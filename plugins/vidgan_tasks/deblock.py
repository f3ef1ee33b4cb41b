"""Removing what compression leaves: the condition is the clip after JPEG or H.264."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le, doc

from vidgan_core.interfaces.dataset import DataSpec, Field
from vidgan_core.interfaces.task import Task
from vidgan_core.media.frames import Frames
from vidgan_tasks.encoders import h264, jpeg
from vidgan_tasks.pixels import to_clip, to_frames
from vidgan_tasks.ranges import ends

COMPRESSED = "compressed"
Quality = Annotated[int, Ge(1), Le(95)]
Crf = Annotated[int, Ge(0), Le(51)]


class Deblock(Task):
    """Adds "compressed", the clip that was a JPEG of each frame or an H.264 video, same shape."""

    def __init__(
        self,
        spec: DataSpec,
        *,
        codec: Annotated[
            Literal["jpeg", "h264", "both"], doc("both: half of the clips are of each")
        ] = "both",
        quality: Annotated[
            Quality | tuple[Quality, Quality], doc("of JPEG; two: each clip's is between them")
        ] = (10, 40),
        crf: Annotated[
            Crf | tuple[Crf, Crf],
            doc("constant rate factor of H.264, more is worse; two: each clip's is between them"),
        ] = (28, 40),
    ) -> None:
        super().__init__(spec)
        self.codec = codec
        self.quality, self.crf = ends("task.quality", quality), ends("task.crf", crf)
        self.fields = (Field(COMPRESSED, "clip", spec.shape),)

    def pair(self, item: Mapping[str, Any], key: int) -> Mapping[str, Any]:
        """Return the item with its compressed copy."""
        rng = np.random.default_rng(key)
        quality = int(rng.integers(*self.quality, endpoint=True))
        crf = int(rng.integers(*self.crf, endpoint=True))
        codec = ("jpeg", "h264")[rng.integers(2)] if self.codec == "both" else self.codec
        video = item["video"]
        return {**item, COMPRESSED: jpeg(video, quality) if codec == "jpeg" else h264(video, crf)}

    def condition(self, frames: Frames) -> Mapping[str, Any]:
        """Return a user's frames as they are."""
        return {COMPRESSED: to_clip(frames)}

    def baselines(self, condition: Mapping[str, Any]) -> Mapping[str, Frames]:
        """Return the input itself: what it takes to be better than nothing."""
        return {"input": to_frames(condition[COMPRESSED])}
