"""Read a whole video file without concealing anything: is it healthy, and what is in it?

Free of torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from vidgan_core.data.cache import file_digest
from vidgan_core.media.cuts import CutDetector
from vidgan_core.media.fit import pixel_aspect
from vidgan_core.media.member import File
from vidgan_core.media.open import best_stream, decoder_of, open_video, reason
from vidgan_core.media.orientation import Orientation
from vidgan_core.media.timestamps import Times
from vidgan_core.media.tone_map import is_hdr
from vidgan_core.media.video_source import VideoSource
from vidgan_datasets.probe_limits import Damaged, Limits, NotVideo, bound_frames, bound_pixels

Progress = Callable[[int], None]  # is told how many frames have been read


def look_video(source: VideoSource, limits: Limits, progress: Progress) -> dict[str, Any]:
    """Decode every frame; return what is known of the video.

    Raises Damaged, NotVideo, OverLimit, OSError, ValueError or av.FFmpegError.
    """
    most = int(limits.megapixels * 1e6)
    # What the decoder would otherwise conceal is an error.
    with open_video(source.file(), max_pixels=most, err_detect="explode") as container:
        stream = _stream(container)
        bound_pixels(stream.height, stream.width, limits)
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"err_detect": "explode", "max_pixels": str(most)}
        found = _Findings()
        for frame in _decoded(container, stream, limits):
            found.look(frame)
            progress(found.count)
        times = found.times(stream)
        _ends_early(container, times, stream.average_rate)
        if container.format.name == "gif":
            _look_gif(source.file(), found.count, progress)
        return found.facts(stream, times) | {"sha256": file_digest(source.file())}


@dataclass
class _Findings:
    """What the frames say, one after another."""

    presented: list[int | None] = field(default_factory=list)
    decoded: list[int | None] = field(default_factory=list)
    interlaced: bool = False
    first: VideoFrame | None = None
    cuts: CutDetector = field(default_factory=CutDetector)

    @property
    def count(self) -> int:
        return len(self.presented)

    def look(self, frame: VideoFrame) -> None:
        self.first = self.first or frame
        self.presented.append(frame.pts)
        self.decoded.append(frame.dts)
        self.interlaced |= frame.interlaced_frame
        self.cuts.look(frame)

    def times(self, stream: VideoStream) -> Times | None:
        """Return when frames are shown: by presentation times, decode times or the stated rate."""
        base = stream.time_base
        rate = stream.average_rate or stream.guessed_rate or stream.base_rate
        return (
            Times.of(self.presented, base)
            or Times.of(self.decoded, base, "dts")
            or Times.steady(self.count, Fraction(rate) if rate else None)
        )

    def facts(self, stream: VideoStream, times: Times | None) -> dict[str, Any]:
        first = self.first
        assert first
        width = max(1, round(first.width * pixel_aspect(stream.sample_aspect_ratio)))
        height, width = Orientation.of(first).size(first.height, width)
        return {
            "frames": self.count,
            "height": height,
            "width": width,
            "rate": float(stream.average_rate or 0),
            "times": str(times or ""),
            "gaps": times.gaps if times else (),
            "cuts": self.cuts.cuts,
            "interlaced": self.interlaced,
            "hdr": is_hdr(first),
        }


def _stream(container: InputContainer) -> VideoStream:
    if stream := best_stream(container):
        return stream
    if container.streams.audio:
        cover = " and a cover" if container.streams.video else ""
        raise NotVideo(f"no video in it, only sound{cover}")
    raise Damaged("nothing in it that can be shown")


def _decoded(
    container: InputContainer, stream: VideoStream, limits: Limits
) -> Iterator[VideoFrame]:
    """Yield every frame. Raises Damaged at the first doubt."""
    count = packets = 0
    decoder = decoder_of(stream)
    try:
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise Damaged(f"damaged after frame {count}")
            packets += packet.dts is not None or packet.size > 0  # the last one only flushes
            for frame in decoder.decode(packet if packet.size else None):
                if frame.is_corrupt:
                    raise Damaged(f"frame {count} is damaged")
                count += 1
                yield frame
            bound_frames(count, limits)
    except av.FFmpegError as error:
        raise Damaged(f"damaged after frame {count}: {reason(error)}") from None
    if not count:
        raise Damaged("no frame in it")
    if packets < stream.frames:
        raise Damaged(f"{packets} of its {stream.frames} frames are there")


def _ends_early(container: Any, times: Times | None, rate: Any) -> None:
    """Raise Damaged for a video that stops well before the end that its container states."""
    if not (times and container.duration and rate and "matroska" in container.format.name):
        return
    shown = float(times.ticks[-1] * times.base) + 1 / float(rate)
    stated = container.duration / 1e6
    others = [s for s in container.streams if s.index != best_stream(container).index]  # type: ignore[union-attr]
    if not others and shown < stated - max(0.5, 2 / float(rate)):
        raise Damaged(f"ends after {shown:.1f} of its {stated:.1f} seconds")


def _look_gif(path: File, frames: int, progress: Progress) -> None:
    """Read a GIF a second time, with a reader that conceals less: it has no checksums at all."""
    with path.open("rb") as file, Image.open(file, formats=("GIF",)) as image:
        for number in range(frames):
            try:
                image.seek(number)
                image.load()
            except (OSError, ValueError, SyntaxError, EOFError) as error:
                raise Damaged(f"frame {number} is damaged: {reason(error)}") from None
            progress(frames + number + 1)
    with path.open("rb") as file:
        file.seek(-16, os.SEEK_END)
        if not file.read().rstrip(b"\0").endswith(b";"):
            raise Damaged("its end is missing")
