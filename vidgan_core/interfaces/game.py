"""A game: which networks there are, and the phases in which they are trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vidgan_core.interfaces.augment import AdaptiveAugment
from vidgan_core.interfaces.networks import Network, Tensors
from vidgan_core.interfaces.objectives import Loss, Term
from vidgan_core.rng import keyed

Scalars = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class PhaseBatch:
    """What a phase is given: a batch on the device, and the draws that belong to the step.

    The batch may be one of several equal shards of the step's: other processes, or other calls of
    the same phase, have the rest.
    """

    batch: Tensors
    step: int  # how many steps were done before this one
    seed: int
    index: int  # of the phase within the step
    shard: int = 0
    shards: int = 1

    def rng(self, purpose: str) -> torch.Generator:
        """Return the CPU generator of one purpose within this phase, the same for all shards."""
        return keyed(self.seed, self.step, self.index, purpose)

    def own(self, drawn: Tensor) -> Tensor:
        """Return this shard's rows of what was drawn for all of them."""
        rows = len(drawn) // self.shards
        return drawn[self.shard * rows : (self.shard + 1) * rows]


@dataclass(frozen=True, slots=True)
class Phase:
    """One update of one network.

    `player` names the network. `objective` maps a batch to named scalars, of which "loss" is
    minimised; `after_update` is called with the step's number once the network has changed. With
    `new_batch` the phase is given the next batch of the data, otherwise the one of the phase
    before it. `active` says whether the phase runs at a step; one that does not costs nothing.
    """

    player: str
    network: nn.Module
    objective: Callable[[PhaseBatch], Scalars]
    after_update: Callable[[int], None]
    new_batch: bool = True
    active: Callable[[int], bool] = field(default=lambda _: True)


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


@dataclass(frozen=True, slots=True)
class GameParts:
    """What a game is played with.

    `networks` holds a network for each of the game's players. `loss_weight` is a function of the
    step, 0 before the adversarial loss starts. `keep_graphs` says whether the graph of a forward
    pass may be kept from one phase to the next: not where a batch comes in shards one after
    another. `autocast` is the context for forward passes.
    """

    networks: Mapping[str, Network]
    loss: Loss
    terms: Sequence[WeightedTerm] = ()
    augments: Sequence[AdaptiveAugment] = ()
    loss_weight: Callable[[int], float] = field(default=lambda _: 1.0)
    keep_graphs: bool = True
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext


class Game(ABC):
    """Networks, loss and terms become the phases of a training step.

    Built with `GameParts`; options are keyword-only. Raises UsageError for terms that need what
    the networks do not give. `vidgan_core.training.adversarial` has what most games share.
    """

    # Each player's name, which is also its table in the configuration, and the kind of network
    # that it is: "generator" or "discriminator" (which may be any network that reads clips).
    players: ClassVar[Mapping[str, str]]
    averaged: ClassVar[tuple[str, ...]]  # the players of which a moving average is kept
    sampled: ClassVar[str]  # the averaged player that clips are made with
    # Which scalars (`phase/name`) the progress line shows, by the label shown.
    progress: ClassVar[Mapping[str, str]] = {}
    # Scalars that tell of a game that stands still, as `collapse_warning` reads them.
    accuracy_scalar: ClassVar[str] = ""  # how often a critic tells a real clip from a generated one
    spread_scalar: ClassVar[str] = ""  # how much the generated clips of a batch differ

    def __init__(self, parts: GameParts) -> None:
        self.parts = parts

    @abstractmethod
    def phases(self) -> Sequence[Phase]:
        """Return the phases of one step, in order; a player may have any number of them."""
