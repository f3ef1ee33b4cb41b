"""What a data set is. Free of torch: the processes that read clips start without it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Split = Literal["train", "test"]


FieldKind = Literal["label", "clip", "map", "vector", "tokens", "audio", "time"]


@dataclass(frozen=True, slots=True)
class Field:
    """One named input of a network besides the noise, such as the class label of a clip.

    The kind decides dtype, range, how a batch is collated, how augmentations and crops move the
    field with the clip, and how it is drawn for samples. `shape` is that of one clip's value:
    () of a label, (C, T, H, W) of a clip, (T, H, W) of a label map, (N,) of a vector or of tokens,
    (T,) of times. `classes` says how many there are, for a label, a map or tokens, and `names` what
    they are called, if anything. The first two of tokens are what fills up and any unknown word.
    """

    name: str
    kind: FieldKind = "label"
    shape: tuple[int, ...] = ()
    classes: int | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataSpec:
    """The shape of a clip and the fields of its condition: all that the data dictate."""

    channels: int = 3
    frames: int = 16
    height: int = 64
    width: int = 64
    condition: tuple[Field, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(C, T, H, W)."""
        return (self.channels, self.frames, self.height, self.width)

    def __str__(self) -> str:
        return f"{self.frames} frames of {self.height}x{self.width}"


class Dataset(ABC):
    """Clips of one shape. Built with the wanted spec and the split; options are keyword-only.

    `fields` names what an item holds besides "video" that a network can be conditioned on.
    `item` may run in other processes, to which the data set is pickled: see `data.workers`.
    """

    fields: tuple[Field, ...] = ()
    slow: bool = False  # do items cost so much that another process should make them?
    later: bool = False  # does the test split have later frames of the same videos, not others?

    def __init__(self, spec: DataSpec, split: Split) -> None:
        self.spec = spec
        self.split = split

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of the clips and of every option that changes them."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def item(self, index: int) -> Mapping[str, Any]:
        """Return ``{"video": uint8 array (C, T, H, W), ...}``, the same for the same index.

        Raises ClipError when the file behind it has changed or is gone; another clip is taken.
        """

    def span(self, index: int) -> tuple[int, int, int]:
        """Return a clip's source and its first and last frame there.

        Clips of one source whose frames overlap or lie next to one another are no two samples.
        """
        return index, 0, 0

    def augment(self, item: Mapping[str, Any], key: int) -> Mapping[str, Any]:
        """Return the item as training sees it, drawn anew each epoch: a pure function of `key`."""
        return item

    @property
    def sources(self) -> int:
        """Of how many files the clips are, each of which may turn out to be bad."""
        return len(self)

    def summary(self) -> str:
        """Say in a line what was found and what of it is used; nothing if there is no doubt."""
        return ""

    def check(self, *, again: bool = False) -> Sequence[Mapping[str, Any]]:
        """Look into every file: a record each, with at least name, status ("ok" ...) and reason.

        What was looked into before and has not changed is spared, unless `again`.
        """
        return []
