"""Parts of a video and the sound of another become one file, no packet of them changed."""

from __future__ import annotations

import heapq
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from vidgan_core.errors import UsageError, VidganError, printable
from vidgan_core.media.open import open_video, reason
from vidgan_core.media.provenance import Mark
from vidgan_core.media.write import appearing

LEAD = 10  # seconds
FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
Packet = Any  # PyAV's own is generic over streams that have no common type
_OF_THE_FILE = {"comment", "encoder", "major_brand", "minor_version", "compatible_brands"}


def lead(base: Fraction) -> int:
    """Return how many ticks later the frames of a part are in its file than in the video.

    The part's format has no times below 0, where a video may begin.
    """
    return math.ceil(LEAD / base)


def check_format(out: Path, sound: Sequence[str]) -> None:
    """Raise UsageError for a name that no video is written under, or where sound has no place."""
    try:
        name = FORMATS[out.suffix.lower()]
    except KeyError:
        known = ", ".join(FORMATS)
        raise UsageError(
            f"{printable(str(out))}: can't write {out.suffix!r} as a video", hint=known
        ) from None
    for codec in sound:
        if not _holds(name, codec):
            hint = "-o NAME.mkv, or --mute" if _holds("matroska", codec) else "--mute"
            raise UsageError(f"the sound ({codec}) has no place in {out.suffix}", hint=hint)


def _holds(name: str, codec: str) -> bool:
    with av.open(io.BytesIO(), "w", format=name) as container:
        return codec in container.supported_codecs


def join(out: Path, parts: Sequence[Path], sound: Path | None, mark: Mark) -> None:
    """Write a video of parts, with the sound of a file, under its name once it is complete."""
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with appearing(out) as file, ExitStack() as stack:
            container = av.open(file, "w", format=FORMATS[out.suffix.lower()])
            stack.callback(container.close)
            source = stack.enter_context(open_video(sound)) if sound else None
            _copy(container, parts, source, mark)
    except (av.FFmpegError, ValueError) as error:
        raise VidganError(f"can't write {printable(str(out))}: {reason(error)}") from None


def _copy(
    container: OutputContainer, parts: Sequence[Path], source: InputContainer | None, mark: Mark
) -> None:
    tags = source.metadata if source else {}
    container.metadata.update({k: v for k, v in tags.items() if k not in _OF_THE_FILE})
    container.metadata["comment"] = json.dumps(dict(mark))
    with av.open(f"file:{parts[0]}") as first:
        video = container.add_stream_from_template(first.streams.video[0])
    streams: list[Iterator[Packet]] = [_video(parts, video)]
    if source and source.streams.audio:
        copies = {s.index: container.add_stream_from_template(s) for s in source.streams.audio}
        streams.append(_sound(source, copies))
    for packet in _from_zero(heapq.merge(*streams, key=_seconds)):
        container.mux(packet)


def _video(parts: Sequence[Path], target: VideoStream) -> Iterator[Packet]:
    for part in parts:
        with av.open(f"file:{part}") as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.pts is not None and packet.dts is not None:
                    ticks = lead(packet.time_base)
                    packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks
                    packet.stream = target
                    yield packet


def _sound(source: InputContainer, targets: Mapping[int, Any]) -> Iterator[Packet]:
    last: dict[int, int] = {}
    try:
        for packet in source.demux(source.streams.audio):
            if packet.size and packet.dts is not None:
                number = packet.stream.index
                if packet.dts <= last.get(number, packet.dts - 1):  # which no muxer takes
                    packet.dts = packet.pts = last[number] + max(1, packet.duration or 1)
                last[number] = packet.dts
                packet.stream = targets[number]
                yield packet
    except av.FFmpegError:  # a truncated file: what there was has been copied
        return


def _from_zero(packets: Iterator[Packet]) -> Iterator[Packet]:
    """Let the first of all packets be shown at 0 where it came later."""
    late: Fraction | None = None
    for packet in packets:
        late = max(Fraction(0), _seconds(packet)) if late is None else late
        ticks = int(late / packet.time_base)
        packet.dts -= ticks
        if packet.pts is not None:
            packet.pts -= ticks
        yield packet


def _seconds(packet: Packet) -> Fraction:
    return Fraction(packet.dts * packet.time_base)
