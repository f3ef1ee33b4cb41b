"""A data set that is right, and others that break one property each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, doc

from vidgan_core.interfaces import Dataset, DataSpec, Field, Split

Clips = Annotated[int, Ge(1), doc("how many clips there are")]


class RightDataset(Dataset):
    fields = (Field("class", classes=4),)

    def __init__(self, spec: DataSpec, split: Split, *, clips: Clips = 20) -> None:
        super().__init__(spec, split)
        self.clips = clips

    @property
    def fingerprint(self) -> str:
        return repr((self.spec, self.split, self.clips))

    def __len__(self) -> int:
        return self.clips

    def item(self, index: int) -> Mapping[str, Any]:
        rng = np.random.default_rng(index)
        return {
            "video": rng.integers(256, size=self.spec.shape, dtype=np.uint8),
            "class": np.int64(index % 4),
        }


class Empty(RightDataset):
    def __len__(self) -> int:
        return self.clips if self.split == "train" else 0


class Floating(RightDataset):
    def item(self, index: int) -> Mapping[str, Any]:
        return {
            n: v.astype(np.float32) if n == "video" else v for n, v in super().item(index).items()
        }


class TimeFirst(RightDataset):
    def item(self, index: int) -> Mapping[str, Any]:
        item = super().item(index)
        return {**item, "video": item["video"].transpose(1, 0, 2, 3)}


class OneClassTooMany(RightDataset):
    def item(self, index: int) -> Mapping[str, Any]:
        return {**super().item(index), "class": np.int64(index % 5)}


class Unlabelled(RightDataset):
    def item(self, index: int) -> Mapping[str, Any]:
        return {"video": super().item(index)["video"]}


class Chancy(RightDataset):
    """Another clip in each instance, the same within one."""

    made = 0

    def __init__(self, spec: DataSpec, split: Split, *, clips: Clips = 20) -> None:
        super().__init__(spec, split, clips=clips)
        type(self).made += 1
        self.salt = self.made

    def item(self, index: int) -> Mapping[str, Any]:
        return super().item(1000 * self.salt + index) | {"class": np.int64(0)}


class Buffered(RightDataset):
    """One array for all items: what was handed out changes with the next one."""

    def item(self, index: int) -> Mapping[str, Any]:
        item = super().item(index)
        self.buffer = getattr(self, "buffer", np.empty(self.spec.shape, np.uint8))
        self.buffer[...] = item["video"]
        return {**item, "video": self.buffer}


class SplitBlind(RightDataset):
    @property
    def fingerprint(self) -> str:
        return repr((self.spec, self.clips))


class Pointlike(RightDataset):
    """Windows of a video that would each be a single frame of it."""

    def span(self, index: int) -> tuple[int, int, int]:
        return 0, index, index


DATASETS = {
    Empty: "length",
    Floating: "items",
    TimeFirst: "items",
    Pointlike: "spans",
    OneClassTooMany: "fields",
    Unlabelled: "fields",
    Chancy: "determinism",
    Buffered: "workers",
    SplitBlind: "fingerprint",
}
