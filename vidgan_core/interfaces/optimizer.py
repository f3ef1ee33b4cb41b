"""What makes the optimizer of a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from torch.optim import Optimizer


class OptimizerFactory(ABC):
    """Makes a `torch.optim.Optimizer`. Options are keyword-only; the learning rate is not one.

    The optimizer must change its state in place, keep it as tensors and numbers that a
    `state_dict` holds, and treat tensors right whatever their order in memory.
    """

    @abstractmethod
    def build(self, groups: Iterable[dict[str, Any]], lr: float) -> Optimizer:
        """Return the optimizer of parameter groups as torch takes them, with the rate `lr`."""
