"""What a user asks of `vidgan apply`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vidgan_apply.joining import FORMATS, check_format
from vidgan_apply.source import Source, has_sound, pictures_of, videos_of
from vidgan_core.errors import UsageError, printable


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
        if not self.source.is_dir() or pictures_of(self.source):
            return [(self.source, self.out)]
        videos = videos_of(self.source)
        if not videos:
            raise UsageError(f"{printable(str(self.source))} holds no video and no picture")
        if self.compare:
            raise UsageError("--compare is for one input")
        if self.out.exists() and not self.out.is_dir():
            raise UsageError(f"{printable(str(self.out))} is no folder, the input is one")
        return [(video, self.out / self._name(video)) for video in videos]

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
        elif source.path.is_dir() and (out.suffix or out.is_file()):
            raise UsageError(f"{printable(str(out))}: of a folder of pictures a folder is made")
        if self.compare:
            check_format(self.compare, ())
            if self.compare.resolve() in (out.resolve(), source.path.resolve()):
                raise UsageError("--compare needs a file of its own")
