"""What a plugin implements: generators, discriminators, losses, terms and data sets.

A video is a float tensor (B, C, T, H, W) in [-1, 1]: batch, channels, frames, height, width.
The options of a component are the keyword-only parameters of its constructor, with annotations,
defaults and bounds from `annotated_types`: that signature is the schema of its config table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from vidgan_core.component import Kind
from vidgan_core.errors import ShapeError

Tensors = Mapping[str, Tensor]
Player = Literal["generator", "discriminator"]
Split = Literal["train", "test"]


@dataclass(frozen=True, slots=True)
class Field:
    """One named part of a condition, such as the class label of a clip."""

    name: str
    shape: tuple[int, ...] = ()
    classes: int | None = None  # how many, for a label; None for a real-valued field


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


class Dataset(ABC):
    """Clips of one shape. Built with the wanted spec and the split; options are keyword-only.

    `fields` names what an item holds beside "video" that a network can be conditioned on.
    `item` may run in other processes, to which the data set is pickled: see `data.workers`.
    """

    fields: tuple[Field, ...] = ()
    slow: bool = False  # do items cost so much that another process should make them?

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


BASES: Mapping[Kind, type] = {
    "generator": Generator,
    "discriminator": Discriminator,
    "loss": Loss,
    "term": Term,
    "dataset": Dataset,
}
