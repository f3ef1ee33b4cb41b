"""A video at the size that it has: its frames upright, one after another, with their times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidgan_core.errors import VidganError, printable
from vidgan_core.media.deinterlace import Numbered, progressive
from vidgan_core.media.fit import Fitter, Geometry, pixel_aspect
from vidgan_core.media.frames import Picture
from vidgan_core.media.open import best_stream, decoder_of, open_video, reason
from vidgan_core.media.orientation import Orientation
from vidgan_core.media.video_source import decoded

USUAL_RATE = Fraction(25)  # of a stream that states none


@dataclass
class NativeVideo:
    """A video file. Its pixels are those of the file: none is scaled, `aspect` says their shape.

    A frame is shown at its tick, in units of `base` seconds, `per_frame` ticks long where nothing
    says otherwise; ticks increase. `damage` says, once all was read, what could not be.
    """

    height: int
    width: int
    rate: Fraction
    base: Fraction
    aspect: Fraction
    stated: int  # how many frames the header speaks of, 0 if it says nothing
    path: Path
    damage: str = ""

    @property
    def per_frame(self) -> int:
        """The ticks of a frame at the stated rate."""
        return max(1, round(1 / (self.rate * self.base)))

    def frames(self, channels: int = 3) -> Iterator[tuple[int, Picture]]:
        """Yield tick and picture (H, W, C) of each frame that can be decoded."""
        fitter = Fitter(
            Geometry(self.height, self.width, "stretch", channels, exact=True, square_pixels=True)
        )
        with open_video(self.path) as container:
            stream = best_stream(container)
            assert stream is not None
            stream.thread_type = "AUTO"
            for tick, frame in progressive(self._ticking(container, stream), stream, None):
                yield tick, fitter(frame)

    def _ticking(self, container: InputContainer, stream: VideoStream) -> Numbered:
        last: int | None = None
        for frame in self._decoded(container, stream):
            tick = frame.pts
            if last is not None and (tick is None or tick <= last):
                tick = last + self.per_frame
            last = 0 if tick is None else tick
            yield last, frame
        self._check_end(last or 0, stream.metadata.get("DURATION", ""))

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """Yield frames; what can't be decoded is passed over and noted."""
        decoder = decoder_of(stream)
        try:
            for packet in container.demux(stream):
                if packet.is_corrupt:
                    self.damage = "a part of it is missing"
                try:
                    yield from decoder.decode(packet if packet.size else None)
                except av.FFmpegError as error:
                    self.damage = reason(error)
        except (av.FFmpegError, OSError) as error:
            self.damage = reason(error)
            with suppress(av.FFmpegError):  # what the decoder still holds
                yield from decoder.decode(None)

    def _check_end(self, tick: int, clock: str) -> None:
        """Note where a Matroska file ends before its tags say so: no packet of it is flagged."""
        end, stated = float((tick + 2 * self.per_frame) * self.base), _seconds(clock)
        if end < stated and not self.damage:
            self.damage = f"it ends {stated - end:.1f} s early"


def _seconds(clock: str) -> float:
    """Read a time such as 00:01:02.5; 0 for anything else."""
    try:
        hours, minutes, seconds = clock.split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except ValueError:
        return 0.0


def native_video(path: Path) -> NativeVideo:
    """Look into a video. Raises VidganError where no frame of it can be decoded."""
    try:
        with open_video(path) as container:
            return _described(path, container)
    except (av.FFmpegError, OSError, ValueError) as error:
        name = printable(str(path))
        raise VidganError(f"{name} can't be read as a video: {reason(error)}") from None


def _described(path: Path, container: InputContainer) -> NativeVideo:
    stream = best_stream(container)
    if stream is None:
        raise ValueError("no video in it")
    first = next(decoded(container, stream), None)
    if first is None:
        raise ValueError("no frame in it")
    orientation = Orientation.of(first)
    height, width = orientation.size(first.height, first.width)
    aspect = pixel_aspect(stream.sample_aspect_ratio)
    rate = Fraction(stream.average_rate or stream.guessed_rate or USUAL_RATE)
    return NativeVideo(
        height,
        width,
        rate,
        stream.time_base or 1 / rate,
        1 / aspect if orientation.transposed else aspect,
        stream.frames,
        path,
    )
