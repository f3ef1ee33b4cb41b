"""Where frames go: parts of a video that are joined at the end, or pictures."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import av
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from vidgan_apply.joining import join, lead
from vidgan_apply.source import Source
from vidgan_core.errors import VidganError, printable
from vidgan_core.media.frames import Frames, Picture, as_frame
from vidgan_core.media.provenance import Mark
from vidgan_core.media.write import appearing, even, write_png

# Without B-frames a part's packets are in the order of its frames, so that parts can be joined;
# with macroblock trees x264 sometimes makes other bytes of the same frames.
ENCODING = {"crf": "17", "bf": "0", "x264-params": "mbtree=0"}


BT709 = 1  # primaries and transfer of ISO/IEC 23091-2 (H.273)


class Sink(Protocol):
    """Takes frames with their ticks; parts of it are complete at each `rest`.

    `part` is the number of the part that comes next.
    """

    part: int

    def add(self, ticks: Sequence[int], frames: Frames) -> None:
        """Take frames (T, H, W, C)."""

    def rest(self) -> None:
        """Complete the part: what was taken so far will be there after a crash."""

    def finish(self) -> None:
        """Give the output its name."""


@dataclass
class VideoSink:
    """A video file, written as parts in a working folder and joined with the source's sound."""

    out: Path
    folder: Path
    name: str  # of its parts, apart from other sinks' in the folder
    source: Source
    mark: Mark
    sound: bool = False
    part: int = 0  # the number of the next part
    _open: OutputContainer | None = field(default=None, init=False)
    _stream: VideoStream | None = field(default=None, init=False)

    def add(self, ticks: Sequence[int], frames: Frames) -> None:
        """Encode frames in yuv420p; odd sizes grow by one repeated pixel."""
        frames = even(frames)
        if self._open is None:
            self._begin(*frames.shape[1:3])
        assert self._open is not None
        assert self._stream is not None
        try:
            for tick, picture in zip(ticks, frames, strict=True):
                frame = as_frame(picture).reformat(
                    format="yuv420p", dst_colorspace=Colorspace.ITU709
                )
                frame.pts, frame.time_base = tick + lead(self.source.base), self.source.base
                frame.duration = self.source.per_frame
                frame.pict_type = PictureType.NONE
                self._open.mux(self._stream.encode(frame))
        except (av.FFmpegError, OSError) as error:
            raise self._failed(error) from None

    def _begin(self, height: int, width: int) -> None:
        try:
            self._open = av.open(f"file:{self._file(self.part)}", "w", format="nut")
            stream = self._open.add_stream("libx264", rate=self.source.rate, options=ENCODING)
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            context = stream.codec_context
            context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
            context.color_primaries = context.color_trc = BT709
            stream.time_base = stream.codec_context.time_base = self.source.base
            stream.codec_context.sample_aspect_ratio = self.source.aspect
        except (av.FFmpegError, OSError) as error:
            raise self._failed(error) from None
        self._stream = stream

    def rest(self) -> None:
        """Close the part."""
        if self._open is None or self._stream is None:
            return  # no frame since the last part
        try:
            self._open.mux(self._stream.encode(None))
            self._open.close()
        except (av.FFmpegError, OSError) as error:
            raise self._failed(error) from None
        self._open, self.part = None, self.part + 1

    def finish(self) -> None:
        """Join the parts and the sound."""
        self.rest()
        parts = [self._file(number) for number in range(self.part)]
        sound = self.source.path if self.sound else None
        join(self.out, parts, sound, self.mark)

    def _file(self, number: int) -> Path:
        return self.folder / f"{self.name}-{number:06d}.nut"

    def _failed(self, error: Exception) -> VidganError:
        self._open = None
        return VidganError(f"can't write {printable(str(self.out))}: {error}")


@dataclass
class PictureSink:
    """A folder of pictures, or one picture, under the names that the source's have."""

    out: Path
    folder: Path
    names: Sequence[str]
    mark: Mark
    single: bool = False  # one picture
    part: int = 0  # every picture is one

    def add(self, ticks: Sequence[int], frames: Frames) -> None:
        """Write pictures (T, H, W, C)."""
        for tick, picture in zip(ticks, frames, strict=True):
            write_png(self._file(tick), _opaque(picture), mark=self.mark)

    def rest(self) -> None:
        """Do nothing: what was added is there."""

    def finish(self) -> None:
        """Move the pictures to where they are wanted."""
        if not self.single:
            self.out.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(self.names):
            if self._file(number).exists():
                target = self.out if self.single else self.out / f"{name}.png"
                # by copy: the folder may lie on another disk than this one
                with appearing(target) as file, self._file(number).open("rb") as picture:
                    shutil.copyfileobj(picture, file)

    def _file(self, number: int) -> Path:
        return self.folder / f"picture-{number:06d}.png"


def _opaque(picture: Picture) -> Picture:
    return picture.repeat(3, axis=-1) if picture.shape[-1] == 1 else picture
