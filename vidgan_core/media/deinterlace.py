"""Interlaced video as whole frames: the filter bwdif of ffmpeg's libraries, one frame for one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain, islice

import av
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

Numbered = Iterator[tuple[int, VideoFrame]]
_FRAME_FOR_FRAME = "mode=send_frame:parity=auto:deint=interlaced"  # progressive ones pass through


def progressive(frames: Numbered, stream: VideoStream, interlaced: bool | None) -> Numbered:
    """Return whole frames; where it is not known whether they are (None), the first one decides."""
    if interlaced is None:
        head = list(islice(frames, 1))
        frames = chain(head, frames)
        interlaced = bool(head and head[0][1].interlaced_frame)
    return deinterlaced(frames, stream) if interlaced else frames


def deinterlaced(frames: Numbered, stream: VideoStream) -> Numbered:
    """Yield numbered frames with both fields at one time.

    The filter looks at the neighbours of a frame: the first and the last have one only.
    """
    graph = Graph()
    source, sink = graph.add_buffer(template=stream), graph.add("buffersink")
    graph.link_nodes(source, graph.add("bwdif", _FRAME_FOR_FRAME), sink).configure()
    waiting: deque[int] = deque()
    for order, (number, frame) in enumerate(frames):
        waiting.append(number)
        frame.pts = order  # the filter needs times, and the container may have none
        graph.vpush(frame)
        yield from _finished(graph, waiting)
    graph.vpush(None)
    yield from _finished(graph, waiting)


def _finished(graph: Graph, waiting: deque[int]) -> Numbered:
    while waiting:
        try:
            frame = graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
        yield waiting.popleft(), frame
