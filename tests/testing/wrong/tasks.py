"""A task that is right, and others that break one property each."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, doc

from vidgan_core.interfaces.dataset import DataSpec, Field
from vidgan_core.interfaces.task import Task

Scale = Annotated[int, Ge(1), doc("how much smaller")]


class RightTask(Task):
    """Every other row and column of the clip, some of its pixels drawn anew."""

    def __init__(self, spec: DataSpec, *, scale: Scale = 2) -> None:
        super().__init__(spec)
        self.scale = scale
        low = (spec.channels, spec.frames, spec.height // scale, spec.width // scale)
        self.fields = (Field("low", "clip", low),)

    def low(self, video: Any, key: int) -> Any:
        rng = np.random.default_rng(key)
        start = int(rng.integers(self.scale))
        return video[:, :, start :: self.scale, start :: self.scale]

    def pair(self, item: Mapping[str, Any], key: int) -> Mapping[str, Any]:
        return {**item, "low": self.low(item["video"], key)}

    def condition(self, frames: Any) -> Mapping[str, Any]:
        return {"low": np.moveaxis(frames, -1, 0)}

    def baselines(self, condition: Mapping[str, Any]) -> Mapping[str, Any]:
        near = condition["low"].repeat(self.scale, 2).repeat(self.scale, 3).astype(np.uint8)
        return {"nearest": np.moveaxis(near, 0, -1)}


class OtherShape(RightTask):
    def __init__(self, spec: DataSpec, *, scale: Scale = 2) -> None:
        super().__init__(spec)
        self.spec = replace(spec, height=2 * spec.height)

    @property
    def source(self) -> DataSpec:
        return replace(self.spec, height=self.spec.height // 2)

    def pair(self, item: Mapping[str, Any], key: int) -> Mapping[str, Any]:
        pair = super().pair(item, key)
        return {**pair, "video": item["video"].repeat(2, axis=2)}

    def baselines(self, condition: Mapping[str, Any]) -> Mapping[str, Any]:
        return {}


class FloatField(RightTask):
    def low(self, video: Any, key: int) -> Any:
        return super().low(video, key).astype(np.float32)


class Extra(RightTask):
    """Adds what it does not declare."""

    def pair(self, item: Mapping[str, Any], key: int) -> Mapping[str, Any]:
        return {**super().pair(item, key), "start": np.float32(0)}


class Dropping(RightTask):
    def pair(self, item: Mapping[str, Any], key: int) -> Mapping[str, Any]:
        pair = super().pair(item, key)
        return {name: pair[name] for name in ("video", "low")}


class HidesNothing(RightTask):
    hidden: ClassVar[frozenset[str]] = frozenset({"lwo"})


class Remembering(RightTask):
    """What it makes depends on what it made before."""

    count = 0

    def low(self, video: Any, key: int) -> Any:
        self.count += 1
        return super().low(video, key + self.count)


class Unpicklable(RightTask):
    def __init__(self, spec: DataSpec, *, scale: Scale = 2) -> None:
        super().__init__(spec)
        self.lock = threading.Lock()


class InPlaceTask(RightTask):
    def low(self, video: Any, key: int) -> Any:
        small = super().low(video, key).copy()
        video[:, :, :1] = 0
        return small


class Blank(RightTask):
    def low(self, video: Any, key: int) -> Any:
        return np.zeros_like(super().low(video, key))


class FramesAsTheyAre(RightTask):
    """Gives a user's frames in their own layout."""

    def condition(self, frames: Any) -> Mapping[str, Any]:
        return {"low": frames}


class SmallBaseline(RightTask):
    def baselines(self, condition: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"nearest": np.moveaxis(condition["low"], 0, -1)}


TASKS: dict[type, str] = {
    OtherShape: "spec",
    FloatField: "fields",
    Extra: "rest",
    Dropping: "rest",
    HidesNothing: "hidden",
    Remembering: "determinism",
    Unpicklable: "determinism",
    InPlaceTask: "item_is_left_alone",
    Blank: "match",
    FramesAsTheyAre: "condition",
    SmallBaseline: "baselines",
}
