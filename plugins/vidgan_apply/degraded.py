"""A good video made bad as in training, so that what is made of it can be measured."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Task
from vidgan_core.media.frames import Frames, Picture
from vidgan_core.rng import key

PART = 32  # frames that are degraded together, as one clip
PIXELS = 2**23  # of all of them, where they are large


@dataclass
class Degraded:
    """Makes a task's input of frames, and keeps the frames themselves until they are asked for."""

    task: Task
    clip: str  # the task's field that holds the input
    scale: int
    seed: int = 0
    forget: int = 0  # so many of the first frames, for which nobody will ask
    _truth: deque[Picture] = field(default_factory=deque, init=False)

    def __call__(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        """Yield the input's frames (H, W, C); frames are cut to a multiple of the scale."""
        part: list[Picture] = []
        number = 0
        for picture in pictures:
            if min(picture.shape[:2]) < self.scale:
                raise UsageError(f"frames of {picture.shape[1]}x{picture.shape[0]} are too small")
            size = max(4, min(PART, PIXELS // (picture.shape[0] * picture.shape[1])))
            height, width = (n // self.scale * self.scale for n in picture.shape[:2])
            part.append(picture[:height, :width])
            if len(part) == size:
                yield from self._degrade(part, number)
                part, number = [], number + 1
        if part:
            yield from self._degrade(part, number)

    def _degrade(self, part: list[Picture], number: int) -> Iterator[Picture]:
        self._truth.extend(part[self.forget :])
        self.forget = max(0, self.forget - len(part))
        video = np.stack(part).transpose(3, 0, 1, 2)
        item = self.task.pair({"video": video}, key(self.seed, "degrade", number))
        frames = np.ascontiguousarray(item[self.clip].transpose(1, 2, 3, 0))
        told = self.task.condition(frames)
        for name in {given.name for given in self.task.fields} - {self.clip}:
            if not np.allclose(item[name], told[name]):
                raise UsageError(
                    f"--degrade draws {name!r}, and the network would be told another one",
                    hint="--set one value for both, such as task.sigma=25 and task.level=25",
                )
        yield from frames

    def truth(self, count: int) -> Frames:
        """Return the next frames (T, H, W, C) that the input was made of."""
        return np.stack([self._truth.popleft() for _ in range(count)])
