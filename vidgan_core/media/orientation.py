"""How a stored frame is turned and mirrored to stand upright, from its display matrix."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from vidgan_core.media.frames import Picture


@dataclass(frozen=True, slots=True)
class Orientation:
    """First transposed, then mirrored left to right, then top to bottom: all eight there are."""

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """Return what a frame's display matrix asks for; upright without one."""
        held: Any = frame.side_data  # PyAV's own annotations take it for a dictionary of settings
        found = [data for data in held if data.type == Type.DISPLAYMATRIX]
        return cls.parse(bytes(found[0])) if found else cls()

    @classmethod
    def parse(cls, matrix: bytes) -> Orientation:
        """Read a display matrix: nine native 32-bit numbers, ``a b u  c d v  x y w``.

        A pixel (x, y) is shown at (a x + c y, b x + d y); angles between go to the nearest quarter.
        """
        a, b, _, c, d = struct.unpack_from("=5i", matrix)
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    @classmethod
    def from_exif(cls, number: object) -> Orientation:
        """Return what EXIF's orientation 1 to 8 asks for; upright for any other value."""
        letters = {2: "m", 3: "mf", 4: "f", 5: "t", 6: "tm", 7: "tmf", 8: "tf"}
        asked = letters.get(number, "") if isinstance(number, int) else ""
        return cls("t" in asked, "m" in asked, "f" in asked)

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width that a frame of this size has before or after turning."""
        return (width, height) if self.transposed else (height, width)

    def apply(self, picture: Picture) -> Picture:
        """Return a picture (H, W, C) upright."""
        if self.transposed:
            picture = picture.swapaxes(0, 1)
        if self.mirrored:
            picture = picture[:, ::-1]
        return np.asarray(picture[::-1] if self.flipped else picture)
