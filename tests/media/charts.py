"""Charts that tell a turned, squeezed or discoloured picture, and files that hold them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.filter import Graph
from clips import folder
from numpy.typing import NDArray
from PIL import Image

from vidgan_core.interfaces import DataSpec

Pixels = NDArray[Any]


def chart(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """A picture (H, W, 3) that no turn or mirror leaves as it was; smooth, so that scaling is."""
    y, x = np.mgrid[:height, :width].astype(float)
    y, x = y / height, x / width
    red, green = 40 + 180 * x, 30 + 200 * y * y
    blue = 128 + 90 * np.cos(3 * x + 2 * y)
    return np.rint(np.stack([red, green, blue], -1)).astype(np.uint8)


def alpha_chart(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """The chart with alpha (H, W, 4): clear at the left, and magenta hidden behind it."""
    picture = np.concatenate([chart(height, width), np.zeros((height, width, 1), np.uint8)], -1)
    picture[..., 3] = np.linspace(0, 255, width).astype(np.uint8)
    picture[:, : width // 4] = (255, 0, 255, 0)
    return picture


def over(rgba: Pixels, background: Sequence[int]) -> Pixels:
    """Lay a picture over one colour, by the formula."""
    alpha = rgba[..., 3:] / 255.0
    return np.asarray(rgba[..., :3] * alpha + np.asarray(background) * (1 - alpha))


def shown(path: Path | str, height: int = 48, width: int = 64, **options: object) -> Pixels:
    """The first frame of a path as training is given it, (H, W, C)."""
    channels = int(str(options.pop("channels", 3)))
    dataset = folder(path, spec=DataSpec(channels, 1, height, width), **options)
    return np.asarray(dataset.item(0)["video"][:, 0].transpose(1, 2, 0), np.float64)


def largest_difference(a: Pixels, b: Pixels) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(float) - b).max())


def save_video(
    path: Path | str,
    frames: Sequence[Pixels],
    layout: str = "rgb24",
    *,
    codec: str = "ffv1",
    pixels: str = "bgr0",
    sar: Fraction | None = None,
    rotation: tuple[int, bool, bool] | None = None,
    tags: dict[str, int] | None = None,
    **options: str,
) -> Path:
    """Write frames, with what the container says of them."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(f"file:{path}", "w") as container:
        stream = container.add_stream(codec, rate=12, options=options)
        height, width = frames[0].shape[:2]
        stream.height, stream.width, stream.pix_fmt = height, width, pixels
        if sar:
            stream.codec_context.sample_aspect_ratio = sar
        if rotation:
            stream.set_display_rotation(*rotation)
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        for array in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format=layout)
            for name, value in (tags or {}).items():
                setattr(frame, name, value)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def save_png(path: Path | str, values: Pixels, bits: int = 16) -> Path:
    """Write a PNG by its specification: (H, W, C) with 1 to 4 channels, 8 or 16 bits each."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, channels = values.shape
    rows = values.astype(">u2" if bits == 16 else "u1")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def save_picture(path: Path | str, array: Pixels, **options: object) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def filtered(path: Path | str, *filters: tuple[str, str], stream: int = 0) -> list[Pixels]:
    """The frames of a video through filters of ffmpeg's libraries, as RGB."""
    found = []
    with av.open(str(path)) as container:
        graph = Graph()
        source = graph.add_buffer(template=container.streams.video[stream])
        nodes = [graph.add(name, arguments) for name, arguments in filters]
        graph.link_nodes(source, *nodes, graph.add("buffersink")).configure()
        frames = [*container.decode(video=stream), None]
        for frame in frames:
            graph.vpush(frame)
            while True:
                try:
                    found.append(graph.vpull().to_ndarray(format="rgb24"))
                except (av.BlockingIOError, av.EOFError):
                    break
    return found
