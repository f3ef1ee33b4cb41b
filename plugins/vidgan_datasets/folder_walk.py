"""What lies in a folder: films to look into, and what is not touched. Free of torch.

Regular files inside the root only. Nothing is opened but these, and of those only the first bytes
of what looks like a picture: everything else is for the processes with limits (`probe.py`).
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from vidgan_core.media.read import LEAST_STRIP, Kind, strip_length

Layout = Literal["auto", "video", "frames", "strips"]
# Of an earlier look, by name: kind, stamp, and the names of the pictures
Known = Mapping[str, tuple[str, str, tuple[str, ...]]]

_SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One film-to-be, or one file that is not read (`refused` says why).

    `name` is the path below the root. `stamp` changes when size or time of a file does.
    """

    name: str
    kind: Kind = "video"
    size: int = 0
    mtime: int = 0  # nanoseconds, the newest
    stamp: str = ""
    pictures: tuple[str, ...] = ()
    refused: str = ""


def walk(root: Path, layout: Layout = "auto", known: Known | None = None) -> Iterator[Found]:
    """Yield everything below a folder, or the one file that `root` is, in a stable order.

    `known` spares files that have not changed since from being opened. Raises OSError if the root
    itself can't be read.
    """
    if not root.is_dir():
        yield from _sorted_out(root.parent, "", [root.name], layout, known or {})
        return
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(root / folder) as entries:
                listed = sorted(entries, key=lambda entry: natural(entry.name))
        except OSError as error:
            if not folder:
                raise
            yield Found(folder, refused=f"can't be listed: {error.strerror}")
            continue
        inner = [e.name for e in listed if e.is_dir(follow_symlinks=False)]
        files = [e.name for e in listed if not e.is_dir(follow_symlinks=False)]
        folders += [os.path.join(folder, name) for name in reversed(inner)]
        yield from _sorted_out(root, folder, files, layout, known or {})


def stamp_of(folder: Path, names: Sequence[str]) -> tuple[int, int, str]:
    """Return size, newest time and stamp of some files. Raises OSError if one is gone."""
    facts = [(name, os.lstat(folder / name)) for name in names]
    lines = repr([(name, s.st_size, s.st_mtime_ns) for name, s in facts])
    return (
        sum(s.st_size for _, s in facts),
        max(s.st_mtime_ns for _, s in facts),
        hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()[:16],
    )


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which frame 9 comes before frame 10."""
    return [(int(d), "") if d else (-1, t) for d, t in re.findall(r"([0-9]+)|([^0-9]+)", name)]


def _sorted_out(
    root: Path, folder: str, files: Sequence[str], layout: Layout, known: Known
) -> Iterator[Found]:
    """Yield the films among the files of one folder; its loose pictures are one film."""
    frames: list[str] = []
    unchanged = _unchanged_frames(root, folder, files, known)
    for name in files:
        path = os.path.join(folder, name)
        if reason := _refusal(root, root / path):
            yield Found(path, refused=reason)
            continue
        try:
            size, mtime, stamp = stamp_of(root / folder, [name])
            if name in unchanged:
                kind = "frames"
            elif path in known and known[path][1] == stamp:
                kind = known[path][0]
            else:
                kind = _kind(root / path, layout)
        except OSError as error:
            yield Found(path, refused=f"can't be read: {error.strerror}")
            continue
        if kind == "frames":
            frames.append(name)
        elif kind == "":
            yield Found(path, refused="a picture, and data.layout is 'video'")
        else:
            yield Found(path, "strip" if kind == "strip" else "video", size, mtime, stamp)
    if frames:
        yield Found(
            folder or ".", "frames", *stamp_of(root / folder, frames), pictures=tuple(frames)
        )


def _unchanged_frames(root: Path, folder: str, files: Sequence[str], known: Known) -> set[str]:
    """Return the pictures of a folder that are known to be one film, if all are what they were."""
    kind, stamp, pictures = known.get(folder or ".", ("", "", ()))
    if kind != "frames" or not set(pictures) <= set(files):
        return set()
    try:
        return set(pictures) if stamp_of(root / folder, pictures)[2] == stamp else set()
    except OSError:
        return set()


def _refusal(root: Path, path: Path) -> str:
    """Return why a file is not opened at all, nothing if it is."""
    try:
        mode = os.lstat(path).st_mode
        if not stat.S_ISLNK(mode):
            return "" if stat.S_ISREG(mode) else _SPECIAL.get(stat.S_IFMT(mode), "no file")
        target = Path(os.path.realpath(path, strict=True))
    except OSError as error:
        return f"can't be read: {error.strerror}"
    if target.is_relative_to(root.resolve()):
        return "a link to something in the same folder, which is read there"
    return "a link that leaves the folder"


def _kind(path: Path, layout: Layout) -> str:
    """Tell by its first bytes what a file is: nothing for a picture that is not asked for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        head = file.read(64)
        if not is_picture(head):
            return "video"
        if layout != "auto":
            return {"video": "", "frames": "frames", "strips": "strip"}[layout]
        try:
            with Image.open(file, formats=("PNG", "JPEG", "WEBP")) as image:  # its header only
                return "strip" if strip_length(*image.size) >= LEAST_STRIP else "frames"
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return "frames"


def is_picture(head: bytes) -> bool:
    """Do these bytes begin a still picture? An animated PNG is a film."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return b"acTL" not in head
    return head.startswith(b"\xff\xd8\xff") or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
