"""The interfaces of a game: its networks, its loss, its terms and its augmentations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn

from vidgan_core.dataset import DataSpec
from vidgan_core.errors import ShapeError
from vidgan_core.latent import spherical

Tensors = Mapping[str, Tensor]
Player = Literal["generator", "discriminator"]


@dataclass(frozen=True, slots=True)
class Fake:
    """What a generator returns: the video (B, C, T, H, W) and named extras for terms."""

    video: Tensor
    extras: Tensors = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a discriminator returns.

    `scores`: one tensor (B, ...) of logits a critic, a scalar a clip or a grid of patches.
    `features`: intermediate activations, batch first, such as what each critic's last layer reads;
    `extras`: anything else that terms may ask for.
    """

    scores: tuple[Tensor, ...]
    features: tuple[Tensor, ...] = ()
    extras: Tensors = field(default_factory=dict)


class Network(nn.Module):
    """What generators and discriminators share."""

    # The condition's fields that it can use. "time" (B, T) is one that no data set gives: the
    # frames' numbers, whole or not. Without it they are 0, 1, 2 ... up to the clip's length.
    takes: ClassVar[frozenset[str]] = frozenset()
    gives: ClassVar[frozenset[str]] = frozenset()  # the extras (and "features") that it returns

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.spec = spec


class Generator(Network, ABC):
    """Noise and condition to video. Subclasses add their options as keyword-only parameters."""

    @abstractmethod
    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        """Draw the noise of `n` clips, each tensor (n, ...), with `rng` on its device.

        `frames` asks for another length than `spec.frames`; raises ShapeError if that can't be.
        """

    @abstractmethod
    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        """Make the video of shape (n, C, frames, H, W) that belongs to `noise`."""

    def windows(
        self, noise: Tensors, condition: Tensors, *, size: int, frames: int | None = None
    ) -> Iterator[Tensor]:
        """Yield what `forward` makes in eval mode, cut into windows of at most `size` frames.

        This is one window; a generator that makes its frames one after another does better.
        """
        yield self(noise, condition, frames=frames).video

    def between(self, start: Tensors, end: Tensors, share: Tensor) -> Tensors:
        """Return noise on the way from `start` to `end`, one row each: a row a share (n,) of it.

        Right for normal noise; a generator that draws other noise has its own way.
        """
        return {name: spherical(start[name], end[name], share) for name in start}

    def fixed_frames(self, frames: int | None) -> int:
        """Return `spec.frames`, for a generator whose layers fix it; refuse any other wish."""
        if frames not in (None, self.spec.frames):
            raise ShapeError(f"can't make {frames} frames: it always makes {self.spec.frames}")
        return self.spec.frames

    if TYPE_CHECKING:

        def __call__(
            self, noise: Tensors, condition: Tensors, *, frames: int | None = None
        ) -> Fake:
            """Typed as `forward` is."""


class Discriminator(Network, ABC):
    """Video and condition to scores. No sigmoid: what a score means belongs to the loss.

    One that looks at a few frames of a clip sets `few` to how many, takes "time", and is given
    either whole clips or, together with a generator that takes "time" as well, so many frames at
    random times: see `Network.takes`.
    """

    few: int | None = None

    @abstractmethod
    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        """Judge `video` (B, C, T, H, W)."""

    if TYPE_CHECKING:

        def __call__(self, video: Tensor, condition: Tensors) -> Verdict:
            """Typed as `forward` is."""


class Loss(ABC):
    """The adversarial objective on the scores of one critic; the game sums over critics.

    Both methods return a scalar to be minimised, the mean over batch and patches, and change
    nothing: stepping, zeroing and freezing are the trainer's.
    """

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
class Play:
    """One player's move as its terms see it.

    `batch` holds the real clips, `fake` the generated ones (detached in the discriminator's
    move), the verdicts are the discriminator's on both; the real one is None in a generator's move
    where neither the loss nor a term reads it.
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
    # Such as {"generator.mask"}, see Network.gives, or a field of the condition: "condition.class".
    needs: ClassVar[frozenset[str]] = frozenset()
    needs_real: ClassVar[bool] = False  # does a generator's term read the real clips' verdict?

    def forward(self, play: Play) -> Tensor | None:
        """Return the scalar that the player minimises as well; None: nothing to add."""
        return None

    @torch.no_grad()
    def after_update(self, network: nn.Module) -> None:
        """Change the player's network after an update of it."""

    if TYPE_CHECKING:

        def __call__(self, play: Play) -> Tensor | None:
            """Typed as `forward` is."""


class Augment(nn.Module, ABC):
    """Changes what the discriminator sees, real and fake clips alike, differentiably.

    It is wrapped round every call of the discriminator, those of terms included, so it has to be
    differentiable twice. Options are the keyword-only parameters of the constructor.
    """

    @abstractmethod
    def forward(self, video: Tensor, p: Tensor) -> Tensor:
        """Return `video` (B, C, T, H, W) with each change made to each clip with probability `p`.

        `p` () is in [0, 1]; at 0 the result equals the video. Draws come from torch's default
        generator, each clip's apart, and hold for all frames of a clip.
        """

    if TYPE_CHECKING:

        def __call__(self, video: Tensor, p: Tensor) -> Tensor:
            """Typed as `forward` is."""
