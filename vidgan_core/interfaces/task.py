"""What a task makes of a real clip: the condition that a generator is given, and its target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from vidgan_core.interfaces.dataset import DataSpec, Field


class Task(ABC):
    """Makes of an item what a network is trained on. Torch-free; options are keyword-only.

    Built with the spec of the clip that a generator is to make. The pair is made after the data
    set's own augmentation, so that condition and target match.
    """

    fields: tuple[Field, ...] = ()  # what it adds to the data set's fields
    hidden: ClassVar[frozenset[str]] = frozenset()  # fields that a discriminator is not shown
    # Are clips measured, and conditions for samples taken, as `pair` makes them? Otherwise as the
    # data set has them, without the task's fields: where training sees a part of a clip.
    measured: ClassVar[bool] = True

    def __init__(self, spec: DataSpec) -> None:
        self.spec = spec

    @property
    def source(self) -> DataSpec:
        """The clip to read from the data set; a predictor reads past and future."""
        return self.spec

    @property
    def trained(self) -> DataSpec:
        """The clip that networks see while they train; other than `spec` where that is a part."""
        return self.spec

    @abstractmethod
    def pair(self, item: Mapping[str, Any], key: int) -> Mapping[str, Any]:
        """Return the item with the task's fields and its target as "video".

        A pure function of the item and `key`.
        """

    def condition(self, frames: Any) -> Mapping[str, Any]:
        """Return the task's fields from a user's own frames, uint8 (T, H, W, C)."""
        return {}

    def baselines(self, condition: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the classical answers to a condition by name: uint8 frames (T, H, W, C)."""
        return {}
