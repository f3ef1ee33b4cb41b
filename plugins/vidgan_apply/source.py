"""What a generator is applied to: a video file, a folder of pictures, or one picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av

from vidgan_core.errors import UsageError, VidganError, printable
from vidgan_core.media.fit import Fitter, Geometry
from vidgan_core.media.frames import Picture
from vidgan_core.media.native import NativeVideo, native_video
from vidgan_core.media.open import open_video, reason
from vidgan_core.media.still import open_picture

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif")
VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".gif", ".ogv")
RATE = Fraction(25)  # of pictures, in a comparison that plays


class Source(Protocol):
    """Frames of one size with their times, read in order; see `NativeVideo`."""

    path: Path
    height: int
    width: int
    rate: Fraction
    base: Fraction
    aspect: Fraction
    damage: str

    @property
    def stated(self) -> int:
        """How many frames the header states, 0 if none."""

    @property
    def per_frame(self) -> int:
        """The ticks of a frame at the stated rate."""

    def frames(self, channels: int = 3) -> Iterator[tuple[int, Picture]]:
        """Yield tick and picture (H, W, C) of each frame."""


@dataclass
class Pictures:
    """The pictures of a folder in the order of their names, or one picture; all of one size."""

    path: Path
    files: tuple[Path, ...]
    height: int
    width: int
    rate: Fraction = RATE
    base: Fraction = 1 / RATE
    aspect: Fraction = Fraction(1)
    damage: str = ""

    @property
    def stated(self) -> int:
        """How many pictures there are."""
        return len(self.files)

    @property
    def per_frame(self) -> int:
        """One tick."""
        return 1

    def frames(self, channels: int = 3) -> Iterator[tuple[int, Picture]]:
        """Yield number and picture (H, W, C). Raises VidganError for one of another size."""
        fitter = Fitter(Geometry(self.height, self.width, "stretch", channels, exact=True))
        for number, file in enumerate(self.files):
            picture = _read(file)
            if picture.shape[:2] != (self.height, self.width):
                there = f"{picture.shape[1]}x{picture.shape[0]}"
                raise VidganError(
                    f"{printable(str(file))} is {there}, the pictures before it are "
                    f"{self.width}x{self.height}"
                )
            yield number, fitter.picture(picture)


def open_source(path: Path) -> Source:
    """Look into what a generator is to be applied to. Raises VidganError where it is nothing."""
    if not path.exists():
        raise UsageError(f"there is no {printable(str(path))}")
    files = pictures_of(path)
    if not files:
        if path.is_dir():
            raise UsageError(f"{printable(str(path))} holds no picture")
        return native_video(path)
    first = _read(files[0])
    return Pictures(path, files, *first.shape[:2])


def pictures_of(path: Path) -> tuple[Path, ...]:
    """Return the pictures that stand for one video: of a folder, or the file itself."""
    if path.is_file():
        return (path,) if path.suffix.lower() in PICTURES else ()
    found = (p for p in path.iterdir() if p.suffix.lower() in PICTURES and p.is_file())
    return tuple(sorted((p for p in found if not p.name.startswith(".")), key=_in_order))


def videos_of(folder: Path) -> tuple[Path, ...]:
    """Return the video files of a folder, in the order of their names."""
    found = (p for p in folder.iterdir() if p.suffix.lower() in VIDEOS and p.is_file())
    return tuple(sorted((p for p in found if not p.name.startswith(".")), key=_in_order))


def has_sound(source: Source) -> tuple[str, ...]:
    """Return the codecs of a source's sound; none of pictures."""
    if not isinstance(source, NativeVideo):
        return ()
    with open_video(source.path) as container:
        streams = container.streams.audio
        return tuple(s.codec_context.name if s.codec_context else "unknown" for s in streams)


def _read(file: Path) -> Picture:
    try:
        return open_picture(file)
    except (OSError, ValueError, av.FFmpegError) as error:
        raise VidganError(f"{printable(str(file))} can't be read: {reason(error)}") from None


def _in_order(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Order names as a reader would: 2 before 10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(p), "") if p.isdecimal() else (-1, p.lower()) for p in parts], path.name
