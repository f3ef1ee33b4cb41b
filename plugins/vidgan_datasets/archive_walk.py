"""What lies in an archive: the videos and pictures of a folder that was never unpacked.

Runs in the processes with limits (`probe_worker.py`). Free of torch.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

from vidgan_core.media.member import Member, Place
from vidgan_core.media.open import reason
from vidgan_datasets.archive_entries import LEADS_OUT, Entry, entries
from vidgan_datasets.folder_walk import is_litter
from vidgan_datasets.picture_kind import Layout, kind_of_file
from vidgan_datasets.probe_limits import MOST_TEXT, Damaged
from vidgan_datasets.probe_video import Progress
from vidgan_datasets.sequences import natural, split_sequences
from vidgan_datasets.sidecars import (
    MOST_BYTES,
    all_sidecars,
    parsed,
    sidecars_of,
    sidecars_of_frames,
)

Facts = dict[str, Any]  # those of a `Found` that the archive knows


def look_archive(path: Path, layout: Layout, progress: Progress) -> Facts:
    """Return what an archive holds, in the order in which its unpacked folder is walked."""
    found: dict[str, Entry] = {}
    damage, count = "", 0
    try:
        for count, entry in enumerate(entries(path), 1):
            if not any(map(is_litter, entry.path.split("/"))):
                found[entry.path] = entry
            progress(count)
    except (Damaged, OSError) as error:
        damage = reason(error)[:MOST_TEXT]
    parts = _parts(path, found, layout)
    held = []
    for number, facts in enumerate(chain.from_iterable(parts), count + 1):
        held.append(facts)
        progress(number)
    if damage or not held:
        status = "damaged" if damage else "other"
        held.append({"name": "", "refused": damage or "an archive without files", "status": status})
    return {"held": held}


def _parts(archive: Path, found: Mapping[str, Entry], layout: Layout) -> Iterator[Iterator[Facts]]:
    """Yield what each folder holds."""
    folders: dict[str, list[str]] = defaultdict(list)
    for path, entry in found.items():
        folders["" if entry.refused == LEADS_OUT else os.path.dirname(path)].append(path)
    all_folders = {part for folder in folders for part in _upwards(folder)}
    told = all_sidecars(list(found), sorted(all_folders))
    for folder in sorted(folders, key=_order):
        files = [p for p in folders[folder] if p not in told]
        files.sort(key=lambda path: natural(os.path.basename(path)))
        walker = _Walker(archive, found, told)
        yield walker.walk(folder, files, layout)


class _Walker:
    """Looks at the files of an archive's folders."""

    def __init__(self, archive: Path, found: Mapping[str, Entry], told: set[str]) -> None:
        self._archive, self._found, self._told = archive, found, told

    def walk(self, folder: str, files: list[str], layout: Layout) -> Iterator[Facts]:
        """Yield the facts of each video in a folder, and of each file that is not read."""
        frames: list[str] = []
        for path in files:
            refused, kind = self._found[path].refused, ""
            if not refused:
                kind, refused = self._kind(path, layout)
            if refused:
                yield {"name": path, "refused": refused}
            elif kind == "frames":
                frames.append(os.path.basename(path))
            else:
                places = [self._found[path].place]
                told = self._told_by(sidecars_of(path, self._told))
                yield {"name": path, "kind": kind, "places": places, **told}
        yield from self._sequences(folder, frames)

    def _kind(self, path: str, layout: Layout) -> tuple[str, str]:
        """Return a file's kind, or why it is not read."""
        member = self._member(path)
        try:
            with member.open() as file:
                kind = kind_of_file(file, member.suffix.lower(), layout)
        except (OSError, ValueError) as error:
            return "", reason(error)[:MOST_TEXT] or type(error).__name__
        if kind == "archive":
            return "", "an archive inside an archive, which is not read"
        return kind, "" if kind else "a picture, and data.layout is 'video'"

    def _sequences(self, folder: str, frames: list[str]) -> Iterator[Facts]:
        if not frames:
            return
        sequences, odd = split_sequences(frames)
        for pattern, names in sequences.items():
            paths = [os.path.join(folder, name) for name in names]
            told = self._told_by(sidecars_of_frames(folder, paths[0], self._told))
            places = [self._found[path].place for path in paths]
            facts = {"folder": folder, "pictures": names, "places": places, **told}
            yield {"name": os.path.join(folder, pattern) or ".", "kind": "frames", **facts}
        for name in odd:
            reason = "left out: its name is not one of a numbered sequence"
            yield {"name": os.path.join(folder, name), "refused": reason}

    def _told_by(self, paths: tuple[str, ...]) -> dict[str, str]:
        texts: dict[str, bytes] = {}
        for path in paths:
            try:
                with self._member(path).open() as file:
                    texts[PurePosixPath(path).suffix] = file.read(MOST_BYTES)
            except (OSError, ValueError):
                continue
        return parsed(texts)

    def _member(self, path: str) -> Member:
        return Member(self._archive, path, Place(*self._found[path].place))


def _upwards(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = os.path.dirname(folder)


def _order(folder: str) -> list[list[tuple[int, str]]]:
    """Sort key: a folder comes before those in it, in natural order."""
    return [natural(part) for part in folder.split("/")] if folder else []
