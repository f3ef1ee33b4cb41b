"""Is a file a picture, and of which kind? By its first bytes. Free of torch."""

from __future__ import annotations

import os
import struct
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Literal

from PIL import Image

from vidgan_core.media.still import FORMATS, LEAST_STRIP, strip_length, upright_size

Layout = Literal["auto", "video", "frames", "strips"]
Still = Literal["", "still", "animation"]

RAW_VIDEO = {".mjpeg", ".mjpg"}  # begin like a JPEG, and go on with the next one
MOST_CHUNKS = 64  # of a PNG before its pixels
_STARTS = (b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM", b"P4\n", b"P5\n", b"P6\n", b"P5 ", b"P6 ")
_CERTAIN = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF")  # damaged ones are damaged pictures


def kind_of(path: Path, layout: Layout, *, follow: bool = False) -> str:
    """Return "video", "animation", "strip", "frames" or "archive".

    Nothing for a picture that is not asked for.
    """
    links = 0 if follow else os.O_NOFOLLOW
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | links)
    with os.fdopen(descriptor, "rb") as file:
        return kind_of_file(file, path.suffix.lower(), layout)


def kind_of_file(file: IO[bytes], suffix: str, layout: Layout) -> str:
    """Return the same of an open file, or "archive", given the end of its name."""
    head = file.read(HEAD)
    if suffix in ARCHIVES and ARCHIVES[suffix](head):
        return "archive"
    still = still_of(head, file)
    if not still or suffix in RAW_VIDEO:
        return "video"
    if still == "animation":
        return "animation"
    if layout != "auto":
        return {"video": "", "frames": "frames", "strips": "strip"}[layout]
    return _shape(file, head)


def _is_tar(head: bytes) -> bool:
    """Is it the first header of a tar: does its checksum hold?"""
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True


# Archives that are read in place: anything else that is a zip inside is not meant as one.
ARCHIVES: Mapping[str, Callable[[bytes], bool]] = {
    ".zip": lambda head: head.startswith((b"PK\3\4", b"PK\5\6")),
    ".tar": _is_tar,
}
HEAD = tarfile.BLOCKSIZE


def _shape(file: IO[bytes], head: bytes) -> str:
    """Tell a strip of frames from a frame by a picture's header."""
    try:
        file.seek(0)
        with Image.open(file, formats=FORMATS) as image:
            return "strip" if strip_length(*upright_size(image)) >= LEAST_STRIP else "frames"
    except Image.DecompressionBombError:
        return "frames"
    except (OSError, ValueError, SyntaxError, struct.error):
        return "frames" if head.startswith(_CERTAIN) else "video"


def still_of(head: bytes, file: IO[bytes]) -> Still:
    """Tell by the first bytes, and by an animation's mark further on, what a file is."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):  # ffmpeg's libraries read the animated ones
        return "" if _is_animated_png(file) else "still"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        animated = head[12:16] == b"VP8X" and len(head) > 20 and head[20] & 2
        return "animation" if animated else "still"
    if head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis"):
        return "animation" if b"avis" in head[8:64] else "still"
    return "still" if head.startswith(_STARTS) else ""


def _is_animated_png(file: IO[bytes]) -> bool:
    """Is there an acTL chunk before the pixels?"""
    file.seek(8)
    for _ in range(MOST_CHUNKS):
        length, name = struct.unpack(">I4s", file.read(8).ljust(8, b"\0"))
        if name in (b"acTL", b"IDAT", b"\0\0\0\0"):
            return bool(name == b"acTL")
        file.seek(length + 4, os.SEEK_CUR)
    return False
