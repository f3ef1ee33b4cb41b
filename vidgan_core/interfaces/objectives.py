"""What networks are trained to do: the adversarial loss, and further terms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from vidgan_core.interfaces.networks import Discriminator, Fake, Generator, Tensors, Verdict

Player = str  # a key of `Game.players`


class Loss(ABC):
    """The adversarial objective on the scores of one critic; the game sums over critics.

    Both methods return a scalar to be minimised, the mean over batch and patches, and change
    nothing: stepping, zeroing and freezing are the trainer's. A contrastive loss, which `compares`
    a score with all of its batch, is another one for each size of the batch, or of its shards.
    """

    compares: ClassVar[bool] = False
    needs_real: ClassVar[bool] = False  # does the generator's loss read the real scores?
    # The score of a clip that is as likely real as fake; None: scores only mean something compared.
    boundary: ClassVar[float | None] = 0.0
    wants_optimal: ClassVar[bool] = False  # is a discriminator that is never wrong what it needs?

    @abstractmethod
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the discriminator's loss on real and fake scores."""

    @abstractmethod
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return the generator's loss; `real` is None unless `needs_real`."""

    def output(self, scores: Tensor) -> Tensor:
        """Return what the paper calls D(x), for display: the scores unless stated otherwise."""
        return scores


@dataclass(frozen=True, slots=True)
class StepContext:
    """One player's move as its terms see it.

    `batch` holds the real clips and all fields, `condition` those that the discriminator is given,
    `fake` the generated clips (detached in the discriminator's move), the verdicts are the
    discriminator's on both; the real one is None in a generator's move where neither the loss nor
    a term reads it.
    """

    generator: Generator
    discriminator: Discriminator
    batch: Tensors
    condition: Tensors
    noise: Tensors
    fake: Fake
    real_verdict: Verdict | None
    fake_verdict: Verdict


class Term(nn.Module):
    """Anything else in one player's objective; a module, so that its state is checkpointed.

    A term adds a scalar (`forward`), or changes the player's network after each of its updates
    (`after_update`), or both. Weight and interval are applied by the game.
    """

    player: ClassVar[Player]
    # Such as {"generator.mask"}, see Network.gives; "condition.class", a field that the
    # discriminator is given; "condition.clip", a field of this kind, whichever network is given it.
    needs: ClassVar[frozenset[str]] = frozenset()
    needs_real: ClassVar[bool] = False  # does a generator's term read the real clips' verdict?
    reads_critic: ClassVar[bool] = True  # false: it acts before the adversarial loss starts as well

    def forward(self, play: StepContext) -> Tensor | None:
        """Return the scalar that the player minimises as well; None: nothing to add."""
        return None

    @torch.no_grad()
    def after_update(self, network: nn.Module) -> None:
        """Change the player's network after an update of it."""

    if TYPE_CHECKING:

        def __call__(self, play: StepContext) -> Tensor | None:
            """Typed as `forward` is."""
