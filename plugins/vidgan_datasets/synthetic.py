"""Synthetic clips of known truth: moving handwritten digits, and shapes on smooth paths."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le, doc
from numpy.typing import NDArray
from PIL import Image, ImageOps

from vidgan_core.data.cache import digest
from vidgan_core.errors import ComponentError, UsageError
from vidgan_core.interfaces.dataset import Dataset, DataSpec, Field, Split
from vidgan_core.rng import key

Floats = NDArray[np.float64]
SHAPES = ("disc", "square", "triangle")
MOTIONS = ("left and right", "up and down")
EDGE = 2  # pixels around a digit
AFFINE = Image.Transform.AFFINE
HELD_OUT = 5  # every fifth digit is for the test split; and so many times fewer test clips


@dataclass(frozen=True, slots=True)
class Thing:
    """What moves in a clip: what it is, its colour in [0, 1], its centre (T, 2) as y, x pixels."""

    what: int
    colour: Floats
    path: Floats


class Synthetic(Dataset):
    """Clips drawn from nothing but the split, the seed and the index."""

    def __init__(self, spec: DataSpec, split: Split, clips: int, seed: int) -> None:
        super().__init__(spec, split)
        if spec.channels == 4:
            raise UsageError("data.channels: synthetic clips have no alpha; 1 or 3")
        self.clips, self.seed = clips, seed

    def __len__(self) -> int:
        return self.clips if self.split == "train" else -(-self.clips // HELD_OUT)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that the clips are drawn from."""
        return digest(type(self).__name__, self.spec.shape, self.split, len(self), self.seed)

    @abstractmethod
    def truth(self, index: int) -> tuple[int, list[Thing]]:
        """Return a clip's class and what moves in it, the hindmost first."""

    @abstractmethod
    def coverage(self, thing: Thing) -> Floats:
        """Return how much of each pixel a thing covers, (T, H, W) in [0, 1]."""

    def item(self, index: int) -> Mapping[str, Any]:
        """Draw the clip."""
        class_, things = self.truth(index)
        video = np.zeros(self.spec.shape)
        for thing in things:
            cover = self.coverage(thing)
            for channel, colour in zip(video, thing.colour, strict=False):
                channel[:] = channel * (1 - cover) + cover * colour
        return {"video": np.round(video * 255).astype(np.uint8), "class": np.int64(class_)}

    def _rng(self, index: int) -> np.random.Generator:
        return np.random.default_rng(key(self.seed, "made", self.split, index))


class Digits(Synthetic):
    """Real handwritten digits that bounce, after Srivastava et al. 2015, "Moving MNIST".

    The digits are scikit-learn's, 8x8 pixels, ten classes; those of the test split are others
    than those of the train split. The class is that of the foremost digit.
    """

    fields = (Field("class", classes=10, names=tuple("0123456789")),)

    def __init__(
        self,
        spec: DataSpec,
        split: Split,
        *,
        clips: Annotated[int, Ge(1), doc("how many make an epoch")] = 10_000,
        digits: Annotated[int, Ge(1), Le(2), doc("how many move in a clip")] = 1,
        scale: Annotated[float, Gt(0), Le(1), doc("a digit's size, of the frame's")] = 0.45,
        speed: Annotated[float, Ge(0), doc("of the frame's size, a frame")] = 0.05,
        seed: Annotated[int, Ge(0), doc("other clips")] = 0,
    ) -> None:
        super().__init__(spec, split, clips, seed)
        if find_spec("sklearn") is None:
            raise ComponentError(
                "the data set 'digits' needs scikit-learn: pip install 'vidgan[digits]'"
            )
        self.digits, self.scale, self.speed = digits, scale, speed

    @property
    def fingerprint(self) -> str:
        """A hash of everything that the clips are drawn from."""
        return digest(super().fingerprint, self.digits, self.scale, self.speed)

    def truth(self, index: int) -> tuple[int, list[Thing]]:
        """Return a clip's class and its digits; `what` is a row of scikit-learn's data."""
        rng, (_, labels) = self._rng(index), handwritten()
        rows = np.flatnonzero((np.arange(len(labels)) % HELD_OUT == 0) == (self.split == "test"))
        things = [
            Thing(int(rng.choice(rows)), np.ones(3), self._path(rng)) for _ in range(self.digits)
        ]
        return int(labels[things[-1].what]), things

    def coverage(self, thing: Thing) -> Floats:
        """Return the digit's ink, at its places to a fraction of a pixel."""
        images, _ = handwritten()
        side = self._side
        ink = Image.fromarray(images[thing.what]).resize((side, side), Image.Resampling.BICUBIC)
        ink = ImageOps.expand(ink, EDGE)  # or the outermost ink would jump by whole pixels
        size = (self.spec.width, self.spec.height)
        moved = (
            # from the frame's pixels to the digit's
            ink.transform(size, AFFINE, (1, 0, -x, 0, 1, -y), Image.Resampling.BILINEAR)
            for y, x in thing.path - side / 2 - EDGE
        )
        return np.stack([np.asarray(frame, np.float64) for frame in moved]).clip(0, 1)

    @property
    def _side(self) -> int:
        return max(2, round(self.scale * min(self.spec.height, self.spec.width)))

    def _path(self, rng: np.random.Generator) -> Floats:
        """Fly straight and bounce off the edges."""
        room = np.array([self.spec.height, self.spec.width]) - self._side
        start, angle = rng.uniform(0, 1, 2) * room, rng.uniform(0, 2 * np.pi)
        step = self.speed * min(self.spec.height, self.spec.width)
        velocity = step * rng.uniform(0.5, 1.5) * np.array([np.sin(angle), np.cos(angle)])
        straight = start + velocity * np.arange(self.spec.frames)[:, None]
        bounced: Floats = room - np.abs(straight % np.maximum(2 * room, 1e-9) - room)
        path: Floats = bounced + self._side / 2
        return path


class Shapes(Synthetic):
    """One coloured shape on a smooth random path; the class is how it moves, not what it is."""

    fields = (Field("class", classes=len(MOTIONS), names=MOTIONS),)

    def __init__(
        self,
        spec: DataSpec,
        split: Split,
        *,
        clips: Annotated[int, Ge(1), doc("how many make an epoch")] = 10_000,
        seed: Annotated[int, Ge(0), doc("other clips")] = 0,
    ) -> None:
        super().__init__(spec, split, clips, seed)

    def truth(self, index: int) -> tuple[int, list[Thing]]:
        """Return a clip's motion and its shape; `what` is a place in SHAPES."""
        rng = self._rng(index)
        motion, what = int(rng.integers(len(MOTIONS))), int(rng.integers(len(SHAPES)))
        return motion, [Thing(what, rng.uniform(0.3, 1, 3), self._path(rng, motion))]

    def coverage(self, thing: Thing) -> Floats:
        """Return the shape, its edge one pixel soft: half a pixel less its signed distance."""
        radius, centres = self._radius, thing.path[:, :, None, None]
        y = np.arange(self.spec.height)[:, None] + 0.5 - centres[:, 0]  # (T, H, 1)
        x = np.arange(self.spec.width) + 0.5 - centres[:, 1]  # (T, 1, W)
        distance = {
            "disc": np.hypot(y, x) - radius,
            "square": np.maximum(abs(y), abs(x)) - radius * 0.85,
            "triangle": np.maximum(abs(x) * 0.866 - y * 0.5, y) - radius * 0.6,
        }[SHAPES[thing.what]]
        covered: Floats = np.clip(0.5 - distance, 0, 1)
        return covered

    @property
    def _radius(self) -> float:
        return 0.16 * min(self.spec.height, self.spec.width)

    def _path(self, rng: np.random.Generator, motion: int) -> Floats:
        """Sway along one axis, and a fifth as far along the other: a wave and a weak one each."""
        times = np.arange(self.spec.frames)[:, None, None]
        periods, phases = rng.uniform(12, 24, (2, 2)), rng.uniform(0, 2 * np.pi, (2, 2))
        waves = np.sin(2 * np.pi * times / periods + phases)
        sway = np.einsum("w,twa->ta", [0.8, 0.2], waves)  # in [-1, 1]
        reach = np.array([0.2, 1.0] if motion == 0 else [1.0, 0.2])
        size = np.array([self.spec.height, self.spec.width])
        path: Floats = size / 2 + sway * reach * (size / 2 - self._radius)
        return path


@lru_cache(maxsize=1)
def handwritten() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return scikit-learn's digits, (1797, 8, 8) in [0, 1], and their classes."""
    from sklearn.datasets import load_digits

    loaded = load_digits()
    return (loaded.images / 16).astype(np.float32), loaded.target.astype(np.int64)
