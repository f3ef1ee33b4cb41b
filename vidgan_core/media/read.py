"""The frames of one film: a video file, a folder of pictures, or a strip of frames in one picture.

Free of torch: the processes that check files start from here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from vidgan_core.errors import VidganError
from vidgan_core.media.provenance import Mark, parse_mark

Picture = NDArray[np.uint8]  # (H, W, 3)
Frames = NDArray[np.uint8]  # (T, H, W, 3)
Kind = Literal["video", "frames", "strip"]
Fit = Literal["crop", "pad", "stretch"]

# Containers that hold their pictures themselves: no playlist, no pattern, no device, no address.
DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,apng,ogg,flv,asf,mpeg,mpegts,mpegvideo,"
    "mxf,dv,nut,ivf,m4v,h264,hevc,obu,mjpeg,rm,yuv4mpegpipe,swf,amv,smjpeg"
)
SAFE = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
LEAST_STRIP = 4  # frames; a picture twice or thrice as long as wide may be anything


@dataclass(frozen=True, slots=True)
class Geometry:
    """The size that frames are brought to, and how: cut, framed in black, or distorted."""

    height: int
    width: int
    fit: Fit = "crop"


class Fitter:
    """Brings frames of any size to one size."""

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        self._scaler = VideoReformatter()  # one for all frames: making it costs as much as scaling
        self._turns: int | None = None

    def __call__(self, frame: VideoFrame) -> Picture:
        """Return the frame upright, scaled and cut, (H, W, 3)."""
        if self._turns is None:  # cameras held sideways say so in the file, the same of all frames
            self._turns = round(frame.rotation / 90) % 4
        upright = (frame.height, frame.width)
        tall, wide = self._scaled(*(upright[::-1] if self._turns % 2 else upright))
        height, width = (wide, tall) if self._turns % 2 else (tall, wide)
        scaled = self._scaler.reformat(frame, height=height, width=width, format="rgb24", threads=1)
        array = np.asarray(scaled.to_ndarray(), np.uint8)
        return self._placed(np.rot90(array, self._turns) if self._turns else array)

    def picture(self, array: Picture) -> Picture:
        """Return an RGB picture (H', W', 3) scaled and cut by the same rules."""
        array = np.ascontiguousarray(array)
        return self(VideoFrame.from_ndarray(array, format="rgb24"))

    def _scaled(self, height: int, width: int) -> tuple[int, int]:
        goal = self._geometry
        if goal.fit == "stretch":
            return goal.height, goal.width
        ratios = (goal.height / height, goal.width / width)
        if goal.fit == "crop":
            scale = max(ratios)
            # An even width, which is cut anyway: scaling to an odd one takes half as long again.
            return max(goal.height, round(height * scale)), max(
                goal.width, 2 * round(width * scale / 2)
            )
        scale = min(ratios)
        return (
            min(goal.height, max(1, round(height * scale))),
            min(goal.width, max(1, round(width * scale))),
        )

    def _placed(self, scaled: Picture) -> Picture:
        height, width = self._geometry.height, self._geometry.width
        tall, wide = scaled.shape[:2]
        if self._geometry.fit == "pad":
            canvas = np.zeros((height, width, 3), np.uint8)
            top, left = (height - tall) // 2, (width - wide) // 2
            canvas[top : top + tall, left : left + wide] = scaled
            return canvas
        top, left = (tall - height) // 2, (wide - width) // 2
        return scaled[top : top + height, left : left + width]


@dataclass(frozen=True, slots=True)
class Times:
    """When each frame is shown: strictly increasing ticks (N,), and the seconds of a tick."""

    ticks: NDArray[np.int64]
    base: Fraction

    @classmethod
    def of(cls, ticks: Sequence[int | None], base: Fraction | None) -> Times | None:
        """Return the times, or None where the file does not say them or contradicts itself."""
        if base is None or any(tick is None for tick in ticks):
            return None
        array = np.asarray(ticks, np.int64)
        return cls(array, base) if bool((np.diff(array) > 0).all()) else None

    @classmethod
    def parse(cls, text: str) -> Times | None:
        """Read what `str` wrote: the base, the first tick, the steps as step*count."""
        if not text:
            return None
        base, first, *runs = text.split()
        pairs = [run.split("*") for run in runs]
        steps = np.repeat([int(step) for step, _ in pairs], [int(count) for _, count in pairs])
        ticks = int(first) + np.concatenate([[0], np.cumsum(steps)])
        return cls(ticks.astype(np.int64), Fraction(base))

    def __str__(self) -> str:
        steps = np.diff(self.ticks)
        edges = np.flatnonzero(np.diff(steps)) + 1
        runs = [f"{run[0]}*{len(run)}" for run in np.split(steps, edges) if len(run)]
        return " ".join([str(self.base), str(int(self.ticks[0])), *runs])

    def at_rate(self, fps: float) -> NDArray[np.int64]:
        """Return which frame is on the screen at each of the instants 0, 1/fps, 2/fps ..."""
        seconds = (self.ticks - self.ticks[0]) * float(self.base)
        last_shown = seconds[-1] / (len(seconds) - 1) if len(seconds) > 1 else 0.0
        count = max(1, math.floor((seconds[-1] + last_shown) * fps + 1e-6))
        instants = np.arange(count) / fps + 1e-6
        return np.searchsorted(seconds, instants, side="right").astype(np.int64) - 1


@dataclass(frozen=True, slots=True)
class Film:
    """Where a film's frames are: one file, or the pictures of a folder in order."""

    kind: Kind
    path: Path
    pictures: tuple[str, ...] = ()  # file names, of kind "frames"
    count: int = 0
    times: str = ""

    def read(self, numbers: Sequence[int], geometry: Geometry) -> Iterator[Picture]:
        """Yield the frames of the given numbers, which increase, each (H, W, 3).

        Raises OSError, ValueError or av.FFmpegError for a file that is not what it was.
        """
        fitter = Fitter(geometry)
        if self.kind == "frames":
            for number in numbers:
                yield fitter.picture(open_picture(self.path / self.pictures[number]))
        elif self.kind == "strip":
            frames = cut_strip(open_picture(self.path))
            for number in numbers:
                yield fitter.picture(frames[number])
        else:
            yield from _picked(self._decoded(numbers), numbers, fitter)

    def _decoded(self, numbers: Sequence[int]) -> Iterator[tuple[int, VideoFrame]]:
        """Yield frames with their numbers, from near the first wanted one on."""
        times = Times.parse(self.times)
        with open_video(self.path) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            if times is None or numbers[0] == 0:
                yield from enumerate(container.decode(stream))
                return
            wanted = int(times.ticks[numbers[0]])
            container.seek(wanted, stream=stream)
            number_of: dict[int | None, int] = {int(t): n for n, t in enumerate(times.ticks)}
            frames = container.decode(stream)
            first = next(frames, None)
            if first and first.key_frame and first.pts is not None and first.pts <= wanted:
                for frame in chain([first], frames):
                    yield number_of.get(frame.pts, -2), frame
                return
        yield from Film("video", self.path)._decoded(numbers)  # from the start, by counting


def _picked(
    decoded: Iterator[tuple[int, VideoFrame]], numbers: Sequence[int], fitter: Fitter
) -> Iterator[Picture]:
    """Pick the wanted frames out of decoded ones."""
    wanted = iter(numbers)
    next_one = next(wanted)
    for number, frame in decoded:
        if number == next_one:
            yield fitter(frame)
            next_one = next(wanted, -1)
            if next_one == -1:
                return
    raise ValueError(f"frame {next_one} is no longer there")


def open_video(path: Path, **options: Any) -> InputContainer:
    """Open a video file: as a file, never as an address, a pattern or a playlist."""
    return av.open(f"file:{path}", options=SAFE | options)


def open_picture(path: Path) -> Picture:
    """Read a picture as RGB (H, W, 3)."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def strip_length(height: int, width: int) -> int:
    """Return how many square frames lie side by side in a picture, 0 if they don't fit."""
    short, long = sorted((height, width))
    return long // short if short and long % short == 0 else 0


def cut_strip(picture: Picture) -> list[Picture]:
    """Cut a strip of square frames apart, along its longer side."""
    height, width = picture.shape[:2]
    count = strip_length(height, width)
    if not count:
        raise ValueError(f"{width}x{height} is not a row of square frames")
    return np.split(picture, count, axis=0 if height > width else 1)


def words(error: Exception) -> str:
    """Return an error's message without the path, which is printed, escaped, beside it."""
    if isinstance(error, OSError | av.FFmpegError) and error.strerror:
        return str(error.strerror)
    return str(error) or type(error).__name__


def decode(path: Path, height: int, width: int) -> Frames:
    """Read all frames of a video, scaled to cover height x width, and crop the centre.

    Raises VidganError when the file can't be read as a video.
    """
    try:
        # file: keeps a name such as http:x.mp4 from being taken for an address.
        with av.open(f"file:{path}") as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            scale = max(height / stream.height, width / stream.width)
            tall = max(height, round(stream.height * scale))
            wide = max(width, round(stream.width * scale))
            scaler = VideoReformatter()  # one for all frames: making it costs as much as scaling
            frames = [
                scaler.reformat(f, width=wide, height=tall, format="rgb24").to_ndarray()
                for f in container.decode(stream)
            ]
    except (av.FFmpegError, IndexError, OSError) as error:
        raise VidganError(f"{path} can't be read as a video: {error}") from None
    if not frames:
        raise VidganError(f"{path} holds no video frame")
    top, left = (tall - height) // 2, (wide - width) // 2
    return np.stack([f[top : top + height, left : left + width] for f in frames])


def describe(path: Path) -> dict[str, Any]:
    """Return format, size, length and mark of a video or picture file.

    Raises VidganError when it is neither.
    """
    try:
        return _describe_image(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        pass  # no picture; a video then
    try:
        with av.open(f"file:{path}") as container:
            stream = container.streams.video[0]
            facts = {
                "format": f"{container.format.name} ({stream.codec_context.name})",
                "frames": stream.frames,
                "height": stream.height,
                "width": stream.width,
                "fps": float(stream.average_rate or 0),
            }
            return facts | {"mark": parse_mark(container.metadata.get("comment"))}
    except (av.FFmpegError, IndexError, OSError) as error:
        raise VidganError(f"{path} is neither a video nor a picture: {error}") from None


def read_mark(path: Path) -> Mark | None:
    """Return the mark of a generated file, or None if it has none."""
    mark: Mark | None = describe(path)["mark"]
    return mark


def _describe_image(path: Path) -> dict[str, Any]:
    with Image.open(path) as image:
        frames = sum(1 for _ in ImageSequence.Iterator(image))
        image.seek(0)
        comment = image.info.get("comment") or image.info.get("Comment")
        duration = image.info.get("duration")
        return {
            "format": image.format,
            "frames": frames,
            "height": image.height,
            "width": image.width,
            "fps": 1000 / duration if duration else None,
            "mark": parse_mark(comment),
        }
