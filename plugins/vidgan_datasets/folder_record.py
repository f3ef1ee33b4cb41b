"""What is known of one video of a folder, or of a file that is none. Free of torch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vidgan_core.media.member import Place
from vidgan_core.media.video_source import Kind, VideoSource
from vidgan_datasets.folder_walk import Found, Stat, Status

# What a find passes on to its record.
CARRIED = (
    *("stats", "stamp", "folder", "pictures", "archive", "members", "places"),
    *("caption", "label"),
)


@dataclass(frozen=True, slots=True)
class Record:
    """One video, or one file that is none.

    `height` and `width` as shown: upright, with square pixels. `gaps` and `cuts` are the frames
    before which the recording stopped or the scene changed. `left_out` names pictures of the
    folder that are no frames: name, status, reason. `caption` and `label`: see `sidecars`.
    `archive`, `members` and `places`: see `Found`.
    """

    name: str
    status: Status
    reason: str = ""
    kind: Kind = "video"
    stats: tuple[Stat, ...] = ()
    stamp: str = ""
    sha256: str = ""
    frames: int = 0
    height: int = 0
    width: int = 0
    rate: float = 0.0
    times: str = ""
    gaps: tuple[int, ...] = ()
    cuts: tuple[int, ...] = ()
    interlaced: bool = False
    hdr: bool = False
    depth: int = 16
    folder: str = ""
    pictures: tuple[str, ...] = ()
    left_out: tuple[tuple[str, Status, str], ...] = ()
    archive: str = ""
    members: int = 0
    places: tuple[Place, ...] = ()
    caption: str = ""
    label: str = ""

    @property
    def plain_name(self) -> str:
        """Its name as if archives were folders, unpacked where they are."""
        if self.name == self.archive:
            return self.name
        return os.path.join(os.path.dirname(self.archive), _inside(self.archive, self.name))

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        if self.archive:
            return sum(place.size for place in self.places)
        return sum(size for size, _ in self.stats)

    @property
    def mtime(self) -> int:
        """When it was changed last, in nanoseconds."""
        return max((time for _, time in self.stats), default=0)

    @property
    def used(self) -> Sequence[int]:
        """Which of the pictures are frames."""
        if not self.left_out:
            return range(len(self.pictures))
        odd = {name for name, _, _ in self.left_out}
        return [number for number, name in enumerate(self.pictures) if name not in odd]

    @property
    def files(self) -> int:
        """How many files on the disk this is."""
        return len(self.pictures) - len(self.left_out) or 1

    def source(self, root: Path) -> VideoSource:
        """Return where its frames are."""
        source = replace(
            source_of(root, self),
            count=self.frames,
            times=self.times,
            interlaced=self.interlaced,
            depth=self.depth,
        )
        if not self.left_out:
            return source
        pictures = tuple(self.pictures[number] for number in self.used)
        places = tuple(self.places[number] for number in self.used) if self.places else ()
        return replace(source, pictures=pictures, places=places)

    def odd_ones(self) -> Iterator[Record]:
        """Yield a record for each picture that was left out."""
        for name, status, reason in self.left_out:
            yield Record(os.path.join(self.folder, name), status, reason)


def source_of(base: Path, found: Found | Record) -> VideoSource:
    """Return where the frames of a video are of which nothing else is known yet."""
    assert found.kind != "archive"
    if not found.archive:
        where = found.folder if found.pictures else found.name
        return VideoSource(found.kind, base / where, found.pictures)
    folder = _inside(found.archive, found.folder)
    pictures = found.pictures or (_inside(found.archive, found.name),)
    path = base / found.archive
    return VideoSource(found.kind, path, pictures, folder=folder, places=found.places)


def _inside(archive: str, name: str) -> str:
    """Return a path in an archive, given that below the root."""
    return name.removeprefix(archive).removeprefix("/")


def record_of(name: str, **facts: Any) -> Record:
    """Return a record of facts as JSON holds them: lists for tuples."""
    if "places" in facts:
        facts["places"] = tuple(Place(*place) for place in facts["places"])
    nested = {"stats", "left_out"} & facts.keys()
    flat = {"gaps", "cuts", "pictures"} & facts.keys()
    facts |= {key: tuple(map(tuple, facts[key])) for key in nested}
    return Record(name, **facts | {key: tuple(facts[key]) for key in flat})
