"""Scene cuts: where a video changes from one frame to the next as motion does not.

A cut is a frame that differs from the one before it by more than a tenth of the range on average,
and three times as much as any of its neighbours do: a pan, a shake or a flash is none. After the
filter `scdet` of ffmpeg's libraries, with a wider neighbourhood.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from vidgan_core.media.frames import Picture, as_frame

SIDE = 32  # pixels that frames are compared at
LEAST = 25.0  # grey levels of mean difference
RATIO = 3.0
NEIGHBOURS = 3  # frames on either side


class CutDetector:
    """Looks at the frames of one video in order; keeps one number a frame.

    Of `recent` frames alone, if that is given: older cuts are then forgotten.
    """

    def __init__(self, recent: int | None = None) -> None:
        self._scaler = VideoReformatter()
        self._last: np.ndarray[tuple[int, ...], np.dtype[np.int16]] | None = None
        self._differences: deque[float] = deque(maxlen=recent)
        self._looked = 0

    def look(self, frame: VideoFrame) -> None:
        """Compare a frame with the one before it."""
        small = self._scaler.reformat(frame, width=SIDE, height=SIDE, format="rgb24", threads=1)
        pixels = np.asarray(small.to_ndarray(), np.int16)
        if self._last is not None:
            self._differences.append(float(np.abs(pixels - self._last).mean()))
        self._last = pixels
        self._looked += 1

    @property
    def cuts(self) -> tuple[int, ...]:
        """The numbers of the frames that begin a scene, without the first one."""
        forgotten = max(0, self._looked - 1 - len(self._differences))
        return tuple(forgotten + cut for cut in find_cuts(list(self._differences)))


def mark_cuts(pictures: Iterable[Picture]) -> Iterator[tuple[bool, Picture]]:
    """Yield each picture (H, W, C) of a video with whether it begins a scene, as the first does.

    Looks as far ahead as a cut needs to be told from a flash, and keeps no more than that.
    """
    detector = CutDetector(recent=2 * NEIGHBOURS + 1)
    waiting: deque[Picture] = deque()
    count = 0  # of pictures that were yielded
    for picture in pictures:
        detector.look(as_frame(picture))
        waiting.append(picture)
        if len(waiting) > NEIGHBOURS:
            yield count == 0 or count in detector.cuts, waiting.popleft()
            count += 1
    while waiting:
        yield count == 0 or count in detector.cuts, waiting.popleft()
        count += 1


def find_cuts(differences: Sequence[float]) -> tuple[int, ...]:
    """Return the frames that begin a scene: `differences[k]` is between frames k and k + 1."""
    found = []
    for place in np.flatnonzero(np.asarray(differences) > LEAST).tolist():
        before = differences[max(0, place - NEIGHBOURS) : place]
        after = differences[place + 1 : place + 1 + NEIGHBOURS]
        if differences[place] >= RATIO * max([*before, *after], default=0.0):
            found.append(place + 1)
    return tuple(found)
