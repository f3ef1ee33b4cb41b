"""The frames of one video: a file, a folder of pictures, a strip in one picture, an animation.

The one decoder of the program. Free of torch: the processes that read clips start from here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, TypeVar

import av
import numpy as np
import PIL
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidgan_core.errors import VidganError
from vidgan_core.media.deinterlace import Numbered, progressive
from vidgan_core.media.fit import Fitter, Geometry, pixel_aspect
from vidgan_core.media.frames import Frames, Picture
from vidgan_core.media.member import File, Member, Place
from vidgan_core.media.open import best_stream, decoder_of, open_video, reason
from vidgan_core.media.still import animation, cut_strip, open_picture
from vidgan_core.media.timestamps import Times

DECODER = f"3 {av.__version__} {PIL.__version__}"  # of frames kept elsewhere: another one, others
Kind = Literal["video", "frames", "strip", "animation"]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class VideoSource:
    """Where a video's frames are: one file, or the pictures of a folder in order.

    In an archive `path` is that, `folder` is in it, and `places` say where the pictures, or the
    one file that is named in their stead, lie.
    `times` as `str` of `Times` writes it; `interlaced`: is any frame; `depth`: of the bits of
    16-bit pictures, how many are used.
    """

    kind: Kind
    path: Path
    pictures: tuple[str, ...] = ()  # file names, of kind "frames" or in an archive
    count: int = 0
    times: str = ""
    interlaced: bool | None = None  # None: look at the first frame
    depth: int = 16
    folder: str = ""
    places: tuple[Place, ...] = ()

    def file(self, number: int = 0) -> File:
        """Return the file of a picture, or the only one."""
        if self.places:
            path = os.path.join(self.folder, self.pictures[number])
            return Member(self.path, path, self.places[number])
        return self.path / self.pictures[number] if self.pictures else self.path

    @property
    def is_seekable(self) -> bool:
        """Can reading begin in the middle?"""
        return self.kind != "video" or self.times.startswith("pts ")

    def read(self, numbers: Sequence[int], geometry: Geometry) -> Iterator[Picture]:
        """Yield the frames of the given numbers, which increase, each (H, W, C).

        Raises OSError, ValueError or av.FFmpegError for a file that is not what it was.
        """
        if self.kind == "video":
            yield from self._from_video(numbers, geometry)
            return
        fitter = Fitter(geometry)
        for picture in self._pictures(numbers):
            yield fitter.picture(picture)

    def _pictures(self, numbers: Sequence[int]) -> Iterator[Picture]:
        if self.kind == "frames":
            for number in numbers:
                yield open_picture(self.file(number), self.depth)
        elif self.kind == "strip":
            frames = cut_strip(open_picture(self.file(), self.depth))
            yield from (frames[number] for number in numbers)
        else:
            yield from _picked(enumerate(animation(self.file())), numbers)

    def read_all(self, geometry: Geometry) -> Iterator[Picture]:
        """Yield every frame of a video file, each (H, W, C), decoded by several threads."""
        return self._from_video(None, geometry)

    def _from_video(self, numbers: Sequence[int] | None, geometry: Geometry) -> Iterator[Picture]:
        for tick in (self._seek_to(numbers), None):
            with open_video(self.file()) as container:
                stream = best_stream(container)
                if stream is None:
                    raise ValueError("no video in it")
                stream.codec_context.thread_count = 1 if numbers else 0
                if (frames := self._frames_from(container, stream, tick)) is None:
                    continue
                fitter = Fitter(geometry, pixel_aspect(stream.sample_aspect_ratio))
                whole = progressive(frames, stream, self.interlaced)
                wanted = _picked(whole, numbers) if numbers else (frame for _, frame in whole)
                yield from map(fitter, wanted)
                return

    def _seek_to(self, numbers: Sequence[int] | None) -> int | None:
        """Return the tick to seek to; None: read from the first frame on."""
        times = Times.parse(self.times)
        # A deinterlacer wants the frame before it, too.
        number = numbers[0] - (self.interlaced is not False) if numbers else 0
        if number <= 0 or times is None or times.source != "pts":
            return None
        return int(times.ticks[number])

    def _frames_from(
        self, container: InputContainer, stream: VideoStream, tick: int | None
    ) -> Numbered | None:
        """Return numbered frames from at or before a tick on; None if they can't be sought."""
        times = Times.parse(self.times)
        if tick is None or times is None:
            return enumerate(decoded(container, stream))
        container.seek(tick, stream=stream)
        frames = decoded(container, stream)
        first = next(frames, None)
        if not (first and first.key_frame and first.pts is not None and first.pts <= tick):
            return None
        return ((times.number_at(f.pts), f) for f in chain([first], frames))


def decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Yield the frames of a stream from where the container stands."""
    decoder = decoder_of(stream)
    if decoder is stream.codec_context:
        yield from container.decode(stream)
        return
    for packet in container.demux(stream):
        yield from decoder.decode(packet if packet.size else None)


def _picked(numbered: Iterator[tuple[int, Item]], numbers: Sequence[int]) -> Iterator[Item]:
    """Yield the items of the wanted numbers, which increase."""
    wanted = iter(numbers)
    next_one = next(wanted)
    for number, item in numbered:
        if number == next_one:
            yield item
            next_one = next(wanted, -1)
            if next_one == -1:
                return
    raise ValueError(f"frame {next_one} is no longer there")


def read_video(path: Path, height: int, width: int, *, square_pixels: bool = False) -> Frames:
    """Read all frames of a video file, scaled to cover height x width, and crop the centre.

    Raises VidganError when the file can't be read as a video.
    """
    geometry = Geometry(height, width, exact=True, square_pixels=square_pixels)
    try:
        frames = list(VideoSource("video", path).read_all(geometry))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VidganError(f"{path} can't be read as a video: {reason(error)}") from None
    if not frames:
        raise VidganError(f"{path} holds no video frame")
    return np.stack(frames)
