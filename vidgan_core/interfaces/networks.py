"""The interfaces of a game: its networks, its loss, its terms and its augmentations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces.dataset import DataSpec, Field

PARALLEL = 1e-4  # radians: where the sines' quotient would be one of two zeros
TIME_AXIS = {"clip": 2, "map": 1, "time": 1}  # of a batch of a field's values

Tensors = Mapping[str, Tensor]


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

    # The condition's fields that it can use, by name ("class") or by kind ("label": of any name).
    # A field "time" (B, T) holds the frames' numbers, whole or not; it may be left out where whole
    # clips are made or judged: then they are 0, 1, 2 ... up to the clip's length.
    takes: frozenset[str] = frozenset()
    gives: frozenset[str] = frozenset()  # the extras (and "features") that it returns

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.spec = spec

    def reads(self, field: Field) -> bool:
        """Say whether it can use a field of a condition."""
        return field.name in self.takes or field.kind in self.takes

    def condition_from(self, batch: Tensors) -> dict[str, Tensor]:
        """Return those fields of a batch, or of a wider condition, that it was built to read."""
        names = [field.name for field in self.spec.condition if field.name in batch]
        return {name: batch[name] for name in names}

    def parameter_groups(self) -> Iterable[dict[str, Any]]:
        """Return groups for the optimizer, each with "params" and options of torch's own.

        A group's "lr_scale" multiplies the learning rate at every step.
        """
        return [{"params": list(self.parameters())}]


class Generator(Network, ABC):
    """Noise and condition to video. Subclasses add their options as keyword-only parameters.

    A generator that `follows` the clip of its condition makes, in eval mode, of a clip of any
    length and size a video of the same length and of a size in proportion, where its spec says
    `spec.height` pixels for the field's. `frames_reach` and `pixels_reach` are how many frames, and
    pixels of the condition, on either side a pixel of the video depends on (None: on all there
    are); parts that are made apart begin at multiples of `pixels_step` pixels of the condition.
    """

    follows: bool = False
    frames_reach: int | None = None
    pixels_reach: int | None = None
    pixels_step: int = 1

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


class StreamingGenerator(Generator):
    """A generator that makes a video piece by piece, and is trained as it is streamed.

    `forward` is a loop over `advance`, and so is `windows`, which needs the memory of one piece.
    Noise that belongs to time has a second dimension of as many entries as pieces, (n, pieces,
    ...), and its names stand in `moving`; other noise is the same for all pieces. Of the fields of
    the condition that have the clip's frames, a piece is given its own: of a clip (n, C,
    frames_a_piece, H, W); the last piece may be given fewer.
    """

    moving: ClassVar[frozenset[str]] = frozenset()
    frames_a_piece: int = 1

    @abstractmethod
    def begin(self, n: int) -> Any:
        """Return the state before the first piece of `n` videos, on the device of the weights.

        Tensors, numbers and None, in tuples, lists and dictionaries: it is stored with unfinished
        work. (A named tuple comes back as a tuple.)
        """

    @abstractmethod
    def advance(self, state: Any, noise: Tensors, condition: Tensors) -> tuple[Fake, Any]:
        """Make the next piece (n, C, frames_a_piece, H, W); return it and the state after it.

        `noise` and `condition` hold of what belongs to time this piece's alone.
        """

    def pieces(
        self, noise: Tensors, condition: Tensors, *, frames: int | None = None
    ) -> Iterator[Fake]:
        """Yield the pieces of a video; the last one may be longer than what is left to make."""
        length = self.spec.frames if frames is None else frames
        state = self.begin(len(next(iter({**noise, **condition}.values()))))
        for piece in range(-(-length // self.frames_a_piece)):
            now = {name: t[:, piece] if name in self.moving else t for name, t in noise.items()}
            fake, state = self.advance(state, now, self.of_piece(condition, piece))
            yield fake

    def of_piece(self, condition: Tensors, piece: int) -> dict[str, Tensor]:
        """Return a condition with the frames of one piece alone of what has the clip's frames."""
        first = piece * self.frames_a_piece
        fields = {field.name: field for field in self.spec.condition}
        given = dict(condition)
        for name in given.keys() & fields.keys():
            axis = TIME_AXIS.get(fields[name].kind)
            if axis and fields[name].shape[axis - 1] == self.spec.frames:
                left = given[name].shape[axis] - first
                given[name] = given[name].narrow(axis, first, min(self.frames_a_piece, left))
        return given

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        """Make the video (n, C, frames, H, W); extras that have frames are joined as it is.

        Extras are tensors of as many dimensions as the video, or belong to the last piece.
        """
        length = self.spec.frames if frames is None else frames
        fakes = list(self.pieces(noise, condition, frames=frames))
        video = torch.cat([fake.video for fake in fakes], dim=2)[:, :, :length]
        extras = {
            name: torch.cat([fake.extras[name] for fake in fakes], dim=2)[:, :, :length]
            if last.ndim == video.ndim
            else last
            for name, last in fakes[-1].extras.items()
        }
        return Fake(video, extras)

    def windows(
        self, noise: Tensors, condition: Tensors, *, size: int, frames: int | None = None
    ) -> Iterator[Tensor]:
        """Yield the video as it is made, in windows of at most `size` frames, or of one piece."""
        left = self.spec.frames if frames is None else frames
        kept: list[Tensor] = []
        for fake in self.pieces(noise, condition, frames=frames):
            video = fake.video[:, :, :left]
            if kept and sum(part.shape[2] for part in kept) + video.shape[2] > size:
                yield torch.cat(kept, dim=2)
                kept = []
            kept.append(video)
            left -= video.shape[2]
        yield torch.cat(kept, dim=2)


class Discriminator(Network, ABC):
    """Video and condition to scores. No sigmoid: what a score means belongs to the loss.

    An encoder, an extra network of a game, returns no scores but what it `gives`.
    """

    compares: bool = False  # do a clip's scores depend on its batch, as by minibatch statistics?

    @abstractmethod
    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        """Judge `video` (B, C, T, H, W)."""

    if TYPE_CHECKING:

        def __call__(self, video: Tensor, condition: Tensors) -> Verdict:
            """Typed as `forward` is."""


def spherical(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Return a row (n, ...) for each share (n,) of the way from `start` to `end`, (1, ...) each.

    White 2016, "Sampling Generative Networks", section 2.1: normal noise of many dimensions lies
    near a sphere, which a straight line would leave. sin((1 - s) a) / sin(a) of the one and
    sin(s a) / sin(a) of the other, with a the angle between them; straight where they are parallel.
    """
    share = share.to(start).reshape(-1, *[1] * (start.ndim - 1))
    cosine = torch.cosine_similarity(start.flatten(), end.flatten(), dim=0)
    angle = cosine.clamp(-1, 1).acos()
    if angle < PARALLEL or torch.pi - angle < PARALLEL:
        return torch.lerp(start, end, share)
    of_start, of_end = ((part * angle).sin() / angle.sin() for part in (1 - share, share))
    return of_start * start + of_end * end
