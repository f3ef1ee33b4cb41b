"""What a plugin implements: one base class for each kind of component.

A video is a float tensor (B, C, T, H, W) in [-1, 1]: batch, channels, frames, height, width.
The options of a component are the keyword-only parameters of its constructor, with annotations,
defaults and bounds from `annotated_types`: that signature is the schema of its config table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn

from vidgan_core.component import Kind
from vidgan_core.dataset import Dataset, DataSpec, Field, Split
from vidgan_core.errors import ShapeError

__all__ = [
    "BASES",
    "Augment",
    "Better",
    "ClipSet",
    "DataSpec",
    "Dataset",
    "Discriminator",
    "Evidence",
    "Fake",
    "Features",
    "Field",
    "Generator",
    "Loss",
    "Metric",
    "Network",
    "Play",
    "Player",
    "Split",
    "Tensors",
    "Term",
    "Verdict",
]

Tensors = Mapping[str, Tensor]
Player = Literal["generator", "discriminator"]
Better = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True)
class Fake:
    """What a generator returns: the video (B, C, T, H, W) and named extras for terms."""

    video: Tensor
    extras: Tensors = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a discriminator returns.

    `scores`: one tensor (B, ...) of logits a critic, a scalar a clip or a grid of patches.
    `features`: intermediate activations; `extras`: anything else that terms may ask for.
    """

    scores: tuple[Tensor, ...]
    features: tuple[Tensor, ...] = ()
    extras: Tensors = field(default_factory=dict)


class Network(nn.Module):
    """What generators and discriminators share."""

    takes: ClassVar[frozenset[str]] = frozenset()  # the condition's fields that it can use
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
    """Video and condition to scores. No sigmoid: what a score means belongs to the loss."""

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
    move), the verdicts are the discriminator's on both; `real` is None in a generator's move
    whose loss doesn't read it.
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
    needs: ClassVar[frozenset[str]] = frozenset()  # such as {"generator.mask"}: see Network.gives

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

    It is wrapped round every call of the discriminator, those of terms included.
    """

    @abstractmethod
    def forward(self, video: Tensor) -> Tensor:
        """Return `video` (B, C, T, H, W) changed; draws come from torch's default generator."""

    if TYPE_CHECKING:

        def __call__(self, video: Tensor) -> Tensor:
            """Typed as `forward` is."""


class Features(nn.Module, ABC):
    """Clips to vectors, for metrics. Frozen, and in the same version always the same function.

    The constructor takes the `DataSpec` and raises ShapeError for clips that it can't look at.
    """

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.spec = spec

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of the weights and of every option that changes the vectors."""

    @abstractmethod
    def forward(self, video: Tensor) -> Tensor:
        """Map `video` (B, C, T, H, W) in [-1, 1] to (B, D): row i is a function of clip i alone."""

    if TYPE_CHECKING:

        def __call__(self, video: Tensor) -> Tensor:
            """Typed as `forward` is."""


@dataclass(frozen=True, slots=True)
class ClipSet:
    """Some clips as a metric sees them: N rows everywhere, in the same order."""

    video: Tensor  # (N, C, T, H, W) uint8
    features: Tensor | None = None  # (N, D) float64, of the features that the metric asked for
    condition: Tensors = field(default_factory=dict)  # such as "class" (N,) int64

    def __len__(self) -> int:
        return len(self.video)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a metric judges: generated clips, and real ones that training has not seen.

    `train` holds the clips of the training split, for a metric that `needs` it. Row i of `fake`
    belongs to row i of `real` for a metric that needs "pairs". `generator` is there for one that
    needs it and measures the network itself.
    """

    real: ClipSet
    fake: ClipSet
    train: ClipSet | None = None
    generator: Generator | None = None


class Metric(ABC):
    """Numbers about generated clips. A smaller set of them is less certain, not another number."""

    better: ClassVar[Mapping[str, Better]]  # the numbers' names, and which way is better
    needs: ClassVar[frozenset[str]] = frozenset()  # of features, train, class, pairs, generator
    least: ClassVar[int] = 2  # the fewest clips on each side that it can say anything about

    @abstractmethod
    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        """Return every number that `better` names: a pure function of the evidence."""


BASES: Mapping[Kind, type] = {
    "generator": Generator,
    "discriminator": Discriminator,
    "loss": Loss,
    "term": Term,
    "dataset": Dataset,
    "augment": Augment,
    "features": Features,
    "metric": Metric,
}
