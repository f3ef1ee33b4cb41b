"""What a user asks of `vidgan apply`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vidgan_apply.joining import FORMATS, check_format
from vidgan_apply.source import Source, has_sound, pictures_of, videos_of
from vidgan_core.errors import UsageError, VidganError, printable


def check_names(names: Sequence[str]) -> None:
    """Raise UsageError where two outputs would have one name."""
    for name, count in Counter(name.lower() for name in names).items():
        if count > 1:
            raise UsageError(f"{count} inputs would become {printable(name)}")


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of the command, by their names there."""

    run: Path
    source: Path
    out: Path
    compare: Path | None = None
    degrade: bool = False
    sharpness: float | None = None
    window: int | None = None
    overlap: int | None = None
    tile: int | None = None
    margin: int | None = None
    cuts: bool = True
    mute: bool = False
    settings: tuple[str, ...] = ()
    seed: int = 0
    step: int | None = None
    device: str | None = None

    def pairs(self) -> list[tuple[Path, Path]]:
        """Return each input with its output: of a folder of videos all that are to be made.

        Raises UsageError for an input that holds nothing, and for an output that can't be.
        """
        pictures = pictures_of(self.source) if self.source.exists() else ()
        if not self.source.is_dir():
            return [(self.source, self.out)]
        videos = videos_of(self.source)
        if videos and pictures:
            raise UsageError(
                f"{printable(str(self.source))} holds videos and pictures; "
                f"{printable(videos[0].name)} and {printable(pictures[0].name)} are some"
            )
        if pictures:
            check_names([f"{p.stem}.png" for p in pictures])
            return [(self.source, self.out)]
        if not videos:
            raise UsageError(f"{printable(str(self.source))} holds no video and no picture")
        if self.compare:
            raise UsageError("--compare is for one input")
        if self.out.exists() and not self.out.is_dir():
            raise UsageError(f"{printable(str(self.out))} is no folder, the input is one")
        check_names([self._name(video) for video in videos])
        return [(video, self.out / self._name(video)) for video in videos]

    @property
    def of_videos(self) -> bool:
        """Is the input a folder of videos?"""
        return self.source.is_dir() and not pictures_of(self.source)

    @staticmethod
    def _name(video: Path) -> str:
        return video.name if video.suffix.lower() in FORMATS else f"{video.stem}.mp4"

    def check(self, source: Source, out: Path) -> None:
        """Raise UsageError, before any work, for an output that could not be written."""
        same = out.exists() and out.resolve() == source.path.resolve()
        if same:
            raise UsageError(f"{printable(str(out))} is the input itself")
        if not pictures_of(source.path):
            check_format(out, () if self.mute else has_sound(source))
        elif source.path.is_file() and out.suffix.lower() != ".png":
            raise UsageError(f"{printable(str(out))}: a picture is written as .png")
        elif source.path.is_dir() and out.is_file():
            raise UsageError(f"{printable(str(out))}: of a folder of pictures a folder is made")
        for path in filter(None, (None if source.path.is_dir() else out, self.compare)):
            if path.is_dir():
                raise UsageError(f"{printable(str(path))} is a folder")
            if path.parent.exists() and not os.access(path.parent, os.W_OK):
                raise VidganError(f"can't write into {printable(str(path.parent))}")
        if self.compare:
            check_format(self.compare, ())
            if self.compare.resolve() in (out.resolve(), source.path.resolve()):
                raise UsageError("--compare needs a file of its own")
