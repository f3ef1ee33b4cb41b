"""What a video or picture file is, from its header: format, size, length, mark."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

import av
from PIL import Image

from vidgan_core.errors import VidganError, printable
from vidgan_core.media.fit import pixel_aspect
from vidgan_core.media.open import best_stream, open_video, reason
from vidgan_core.media.orientation import Orientation
from vidgan_core.media.provenance import Mark, parse_mark
from vidgan_core.media.still import FORMATS, opened, upright_size


def describe(path: Path) -> dict[str, Any]:
    """Return format, upright size, length and mark of a video or picture file.

    Raises VidganError when it is neither.
    """
    try:
        return _describe_image(path)
    except Exception as error:  # Pillow raises nearly everything for a damaged header
        if isinstance(error, MemoryError | RecursionError):
            raise VidganError(f"{printable(str(path))} is too large to be looked into") from None
    try:
        return _describe_video(path)
    except (av.FFmpegError, OSError, ValueError, OverflowError) as error:
        name = printable(str(path))
        raise VidganError(f"{name} is neither a video nor a picture: {reason(error)}") from None


def read_mark(path: Path) -> Mark | None:
    """Return the mark of a generated file, or None if it has none."""
    mark: Mark | None = describe(path)["mark"]
    return mark


def _describe_video(path: Path) -> dict[str, Any]:
    with open_video(path) as container:
        stream = best_stream(container)
        if stream is None:
            raise ValueError("no video in it")
        height, width = (
            stream.height,
            round(stream.width * pixel_aspect(stream.sample_aspect_ratio)),
        )
        try:
            first = next(container.decode(stream), None)
        except av.FFmpegError:  # a damaged frame; the header tells what it can
            first = None
        if first is not None:
            height, width = Orientation.of(first).size(height, width)
        return {
            "format": f"{container.format.name} ({stream.codec_context.name})",
            "frames": stream.frames,
            "height": height,
            "width": width,
            "fps": float(stream.average_rate or 0),
            "mark": parse_mark(container.metadata.get("comment")),
        }


def _describe_image(path: Path) -> dict[str, Any]:
    with opened(path, (*FORMATS, "GIF")) as image:
        height, width = upright_size(image)
        comment = image.info.get("comment") or image.info.get("Comment")
        duration = image.info.get("duration")
        return {
            "format": image.format,
            "frames": _count(path, image),
            "height": height,
            "width": width,
            "fps": 1000 / duration if duration else None,
            "mark": parse_mark(comment),
        }


def _count(path: Path, image: Image.Image) -> int:
    """Return how many frames a picture has, decoding none."""
    if image.format == "GIF":
        with path.open("rb") as file:
            return max(1, _count_gif(file))
    return int(getattr(image, "n_frames", 1))


def _count_gif(file: BinaryIO) -> int:
    """Walk the blocks of a GIF and count the pictures; a damaged rest is not counted."""
    head = file.read(13).ljust(13, b"\0")
    file.seek(_colours(head[10]), os.SEEK_CUR)
    count = 0
    while kind := file.read(1):
        if kind == b",":
            count += 1
            file.seek(_colours(file.read(9).ljust(9, b"\0")[8]) + 1, os.SEEK_CUR)
        elif kind == b"!":
            file.seek(1, os.SEEK_CUR)
        else:
            break
        while (size := file.read(1)) and size != b"\0":
            file.seek(size[0], os.SEEK_CUR)
    return count


def _colours(flags: int) -> int:
    """Return how many bytes a table of colours takes, given the flags that announce it."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0
