"""What lies in a folder: videos to look into, and what is not touched. Free of torch.

Regular files inside the root only. Nothing is opened but these, and of those only the first bytes
of what looks like a picture: everything else is for the processes with limits (`probe.py`).
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from vidgan_core.media.member import Place
from vidgan_core.media.video_source import Kind
from vidgan_datasets.picture_kind import Layout, kind_of
from vidgan_datasets.sequences import natural, split_sequences
from vidgan_datasets.sidecars import all_sidecars, sidecars_of, sidecars_of_frames

Links = Literal["refuse", "follow"]
Stat = tuple[int, int]  # size, and time of change in nanoseconds
# Of an earlier look, by name: kind, stamp, folder, and the names of the pictures
Known = Mapping[str, tuple[str, str, str, tuple[str, ...]]]

Status = Literal["ok", "damaged", "refused", "other"]
# What systems leave behind, and nobody means.
_LITTER = {"Thumbs.db", "desktop.ini", ".DS_Store", "__MACOSX"}
_SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One candidate for a video, or one file that is not read (`refused` says why).

    `name` is the path below the root. `stamp` changes when size or time of a file does. Pictures
    lie in `folder`, each with its own size and time. `sidecars` are paths below the root as well.
    In an archive, `places` are where the file or the pictures lie; `members` is how many finds it
    gave, and `stats` are its own.
    """

    name: str
    kind: Kind | Literal["archive"] = "video"
    stats: tuple[Stat, ...] = ()
    stamp: str = ""
    folder: str = ""
    pictures: tuple[str, ...] = ()
    refused: str = ""
    status: Status = "refused"  # if it is
    sidecars: tuple[str, ...] = ()
    archive: str = ""
    members: int = 0
    places: tuple[Place, ...] = ()
    caption: str = ""
    label: str = ""


def walk(
    root: Path,
    layout: Layout = "auto",
    known: Known | None = None,
    *,
    names: Sequence[str] = (),
    follow: bool = False,
) -> Iterator[Found]:
    """Yield everything below a folder, or only the files in it with these names, in a stable order.

    `known` spares files that have not changed since from being opened. With `follow` links are
    taken for what they lead to, a folder once. Raises OSError if the root itself can't be read.
    """
    if names:
        yield from _sorted_out(root, "", names, layout, known or {}, follow)
        return
    folders, entered = [""], {os.path.realpath(root)}
    sidecars: dict[str, set[str]] = {}
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
        listed = [e for e in listed if not is_litter(e.name)]
        inner = [e.name for e in listed if _is_folder(e, follow)]
        files = [e.name for e in listed if not _is_folder(e, follow)]
        paths = [os.path.join(folder, name) for name in reversed(inner)]
        folders += _not_yet(root, paths, entered) if follow else paths
        told = {os.path.join(folder, name) for name in all_sidecars(files, inner)}
        sidecars[folder] = told
        videos = [name for name in files if os.path.join(folder, name) not in told]
        around = told | sidecars.get(os.path.dirname(folder), set())
        for found in _sorted_out(root, folder, videos, layout, known or {}, follow):
            yield _with_sidecars(found, around) if around else found


def _with_sidecars(found: Found, there: set[str]) -> Found:
    """Return a find with the paths of the files that tell of it."""
    if not found.pictures:
        return replace(found, sidecars=sidecars_of(found.name, there))
    first = os.path.join(found.folder, found.pictures[0])
    return replace(found, sidecars=sidecars_of_frames(found.folder, first, there))


def is_litter(name: str) -> bool:
    """Is it what systems leave behind, and nobody means?"""
    return name in _LITTER or name.startswith("._")


def stats_of(folder: Path, names: Sequence[str], *, follow: bool = False) -> tuple[Stat, ...]:
    """Return size and time of some files. Raises OSError if one is gone."""
    look = os.stat if follow else os.lstat
    return tuple((s.st_size, s.st_mtime_ns) for s in (look(folder / name) for name in names))


def stamp_of(names: Sequence[str], stats: Sequence[Stat]) -> str:
    """Return a hash of names, sizes and times."""
    lines = repr(list(zip(names, stats, strict=True)))
    return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _is_folder(entry: os.DirEntry[str], follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:  # a link in a circle
        return False


def _not_yet(root: Path, paths: Sequence[str], entered: set[str]) -> list[str]:
    """Return the folders that no other path has led to before."""
    fresh = []
    for path in paths:
        real = os.path.realpath(root / path)
        if real not in entered:
            entered.add(real)
            fresh.append(path)
    return fresh


def _sorted_out(
    root: Path, folder: str, files: Sequence[str], layout: Layout, known: Known, follow: bool
) -> Iterator[Found]:
    """Yield the videos among the files of one folder; its loose pictures are frames."""
    frames: list[str] = []
    unchanged = _unchanged_frames(root, folder, files, known, follow)
    for name in files:
        path = os.path.join(folder, name)
        if reason := _refusal(root, root / path, follow):
            yield Found(path, refused=reason)
            continue
        try:
            stats = stats_of(root / folder, [name], follow=follow)
            stamp = stamp_of([name], stats)
            if name in unchanged:
                kind: str = "frames"
            elif path in known and known[path][1] == stamp:
                kind = known[path][0]
            else:
                kind = kind_of(root / path, layout, follow=follow)
        except OSError as error:
            yield Found(path, refused=f"can't be read: {error.strerror}")
            continue
        if kind == "frames":
            frames.append(name)
        elif kind == "":
            yield Found(path, refused="a picture, and data.layout is 'video'")
        else:
            yield Found(path, kind, stats, stamp)  # type: ignore[arg-type]
    yield from _sequences(root, folder, frames, follow)


def _sequences(root: Path, folder: str, frames: Sequence[str], follow: bool) -> Iterator[Found]:
    """Yield the videos that the pictures of a folder are, and the pictures that are none."""
    if not frames:
        return
    found, odd = split_sequences(frames)
    for pattern, names in found.items():
        stats = stats_of(root / folder, names, follow=follow)
        name = os.path.join(folder, pattern) if pattern else folder or "."
        yield Found(name, "frames", stats, stamp_of(names, stats), folder, tuple(names))
    for name in odd:
        reason = "left out: its name is not one of a numbered sequence"
        yield Found(os.path.join(folder, name), refused=reason)


def _unchanged_frames(
    root: Path, folder: str, files: Sequence[str], known: Known, follow: bool
) -> set[str]:
    """Return the pictures of a folder that are known to be frames, as far as nothing changed."""
    unchanged: set[str] = set()
    there = set(files)
    for kind, stamp, where, pictures in known.values():
        if kind != "frames" or where != folder or not there.issuperset(pictures):
            continue
        try:
            stats = stats_of(root / folder, pictures, follow=follow)
        except OSError:
            continue
        if stamp_of(pictures, stats) == stamp:
            unchanged.update(pictures)
    return unchanged


def _refusal(root: Path, path: Path, follow: bool) -> str:
    """Return why a file is not opened at all, nothing if it is."""
    try:
        mode = (os.stat if follow else os.lstat)(path).st_mode
        if not stat.S_ISLNK(mode):
            return "" if stat.S_ISREG(mode) else _SPECIAL.get(stat.S_IFMT(mode), "no file")
        target = Path(os.path.realpath(path, strict=True))
    except OSError as error:
        return f"can't be read: {error.strerror}"
    if target.is_relative_to(root.resolve()):
        return "a link to something in the same folder, which is read there"
    return "a link that leaves the folder; data.follow_links=true takes it in"
