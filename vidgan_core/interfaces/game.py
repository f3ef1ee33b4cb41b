"""A game: which networks there are, and the phases in which they are trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vidgan_core.interfaces.networks import Tensors
from vidgan_core.interfaces.objectives import Term
from vidgan_core.rng import keyed

Scalars = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class PhaseBatch:
    """What a phase is given: a batch on the device, and the draws that belong to the step.

    The batch may be one of several equal parts of the step's: other processes, or other turns of
    the same phase, have the rest.
    """

    batch: Tensors
    step: int  # how many steps were done before this one
    seed: int
    index: int  # of the phase within the step
    part: int = 0
    parts: int = 1

    def rng(self, purpose: str) -> torch.Generator:
        """Return the CPU generator of one purpose within this phase, the same for all parts."""
        return keyed(self.seed, self.step, self.index, purpose)

    def own(self, drawn: Tensor) -> Tensor:
        """Return this part's rows of what was drawn for all of them."""
        rows = len(drawn) // self.parts
        return drawn[self.part * rows : (self.part + 1) * rows]


@dataclass(frozen=True, slots=True)
class Phase:
    """One update of one network.

    `objective` maps a turn to named scalars, of which "loss" is minimised; `after_update` is
    called with the step's number once the network has changed. With `new_batch` the phase is
    given the next batch of the data, otherwise the one of the phase before it.
    """

    name: str
    network: nn.Module
    objective: Callable[[PhaseBatch], Scalars]
    after_update: Callable[[int], None]
    new_batch: bool = True


@dataclass(frozen=True, slots=True)
class WeightedTerm:
    """A term with its name, weight and interval: every k-th step, k times as strong.

    The weight may be a function of the step.
    """

    name: str
    term: Term
    weight: float | Callable[[int], float] = 1.0
    every: int = 1

    def strength(self, step: int) -> float:
        """Return what its value is multiplied by at a step."""
        weight = self.weight(step) if callable(self.weight) else self.weight
        return weight * self.every
