"""Clips of noise: the usual task of a GAN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidgan_core.interfaces.task import Task


class Generation(Task):
    """Takes a clip as it is. A condition is what the data set itself gives."""

    measured = False

    def pair(self, item: Mapping[str, Any], key: int) -> Mapping[str, Any]:
        """Return the item."""
        return item
