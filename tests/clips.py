"""Synthetic videos for tests: drawn in memory, written in many containers."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from conftest import REGISTRY
from numpy.typing import NDArray
from PIL import Image

from vidgan_core.interfaces import Dataset, DataSpec, Split

Frames = NDArray[np.uint8]

CODECS = {
    "mp4": ("libx264", "yuv420p"),
    "mkv": ("libx264", "yuv420p"),
    "mov": ("mjpeg", "yuvj420p"),
    "avi": ("mpeg4", "yuv420p"),
    "webm": ("libvpx-vp9", "yuv420p"),
    "gif": ("gif", "rgb8"),
}


def moving_block(frames: int = 24, height: int = 48, width: int = 64, seed: int = 0) -> Frames:
    """Moving gradients under a block that wanders: no two frames alike."""
    rng = np.random.default_rng(seed)
    colour, speed = rng.integers(0, 255, 3), rng.integers(2, 7, 3)
    y, x = np.mgrid[:height, :width]
    drawn = np.empty((frames, height, width, 3), np.uint8)
    for t in range(frames):
        waves = np.stack([y * 2 + t * speed[0], x * 3 - t * speed[1], x + y + t * speed[2]], -1)
        drawn[t] = 64 + (colour + waves) % 128
        left = 2 * t % max(1, width - 8)
        drawn[t, height // 4 : height // 2, left : left + 8] = 255 - colour
    return drawn


def counting(frames: int, size: int = 32) -> Frames:
    """Grey frames, each of which tells its number by its brightness: see `numbers`."""
    levels = (np.arange(frames) * 5 % 250).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (frames, size, size, 3)).copy()


def numbers(video: NDArray[np.uint8]) -> list[int]:
    """The frame numbers, below 50, that a clip (C, T, H, W) of `counting` shows."""
    return [round(float(level) / 5) for level in video.mean((0, 2, 3))]


def save(
    path: Path | str,
    frames: Frames,
    *,
    fps: int = 12,
    ticks: Sequence[int] | None = None,
    codec: str = "",
    pixels: str = "",
    **options: str,
) -> Path:
    """Write frames in the container that the suffix names; `ticks` in 1/1000 s."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    usual = CODECS.get(path.suffix[1:], ("libx264", "yuv420p"))
    encoder = codec or usual[0]
    if encoder == "libx264":
        # Otherwise it sometimes makes another file of the same frames, even with one thread.
        options = {"x264-params": "mbtree=0"} | options
    with av.open(f"file:{path}", "w", format=None if path.suffix else "mp4") as container:
        stream = container.add_stream(encoder, rate=fps, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels or usual[1]
        if ticks is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, array in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")
            if ticks is not None:
                frame.pts, frame.time_base = ticks[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def save_frames(folder: Path | str, frames: Frames, suffix: str = "png") -> Path:
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"f{number}.{suffix}")
    return folder


def save_strip(path: Path | str, frames: Frames, *, vertical: bool = False) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(list(frames), axis=0 if vertical else 1)).save(path)
    return path


def save_bomb(path: Path | str, height: int, width: int) -> Path:
    """Write a PNG that claims to be of this size, in a hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0")), chunk(b"IEND", b"")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def save_sound(path: Path | str) -> Path:
    path = Path(path)
    with av.open(f"file:{path}", "w") as container:
        stream = container.add_stream("aac", rate=44100)
        silence = np.zeros((1, 10240), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


SPEC = DataSpec(frames=4, height=16, width=16)


def folder(path: Path | str = "clips", split: Split = "train", **options: object) -> Dataset:
    spec = options.pop("spec", SPEC)
    options.setdefault("held_out", 0.0)
    dataset: Dataset = REGISTRY.load("dataset", "folder")(spec, split, path=str(path), **options)
    return dataset
