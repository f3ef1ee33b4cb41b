"""What is known of every file of a folder, kept between runs. Free of torch."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import track

from vidgan_core.errors import UsageError, printable
from vidgan_core.media.video_source import DECODER, Kind, VideoSource
from vidgan_core.streams import drawing
from vidgan_datasets.folder_walk import Found, Known, Stat, walk
from vidgan_datasets.picture_kind import Layout
from vidgan_datasets.probe import look_into
from vidgan_datasets.probe_limits import Limits
from vidgan_datasets.sidecars import read_sidecars

Status = Literal["ok", "damaged", "refused", "other"]
VERSION = 3  # of what is found out about a file: another one looks again
FEW = 8  # videos that are looked into without a word
SAY_EVERY = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Record:
    """One video, or one file that is none.

    `height` and `width` as shown: upright, with square pixels. `gaps` and `cuts` are the frames
    before which the recording stopped or the scene changed. `left_out` names pictures of the
    folder that are no frames: name, status, reason. `caption` and `label`: see `sidecars`.
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
    caption: str = ""
    label: str = ""

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(size for size, _ in self.stats)

    @property
    def mtime(self) -> int:
        """When it was changed last, in nanoseconds."""
        return max((time for _, time in self.stats), default=0)

    @property
    def used(self) -> tuple[str, ...]:
        """The pictures that are frames."""
        odd = {name for name, _, _ in self.left_out}
        return tuple(name for name in self.pictures if name not in odd)

    @property
    def files(self) -> int:
        """How many files on the disk this is."""
        return len(self.pictures) - len(self.left_out) or 1

    def source(self, root: Path) -> VideoSource:
        """Return where its frames are."""
        where = self.folder if self.pictures else self.name
        return VideoSource(
            self.kind,
            root / where,
            self.used,
            self.frames,
            self.times,
            self.interlaced,
            self.depth,
        )

    def odd_ones(self) -> Iterator[Record]:
        """Yield a record for each picture that was left out."""
        for name, status, reason in self.left_out:
            yield Record(os.path.join(self.folder, name), status, reason)


def refresh(
    root: Path,
    store: Path,
    layout: Layout,
    limits: Limits,
    *,
    follow: bool = False,
    again: bool = False,
) -> list[Record]:
    """Return a record of everything below `root`; look only into what is new or has changed.

    The records are kept in the file `store`. With `again` everything is looked into. Raises
    UsageError if the root can't be read.
    """
    settings = {
        "version": VERSION,
        "decoder": DECODER,
        "layout": layout,
        "follow": follow,
        **asdict(limits),
    }
    kept = {} if again else _load(store, settings)
    base = root if root.is_dir() else root.parent
    known: Known = {r.name: (r.kind, r.stamp, r.folder, r.pictures) for r in kept.values()}
    try:
        found = list(walk(root, layout, known, follow=follow))
    except OSError as error:
        raise UsageError(f"{printable(str(root))} can't be read: {error.strerror}") from None
    records = {f.name: kept[f.name] for f in found if _same(kept.get(f.name), f)}
    try:
        for record in _look(base, [f for f in found if f.name not in records], limits):
            records[record.name] = record
    finally:  # what an interrupted scan has found is kept
        for f in found:
            if f.name in records:
                told: dict[str, Any] = dict(read_sidecars(base, f.sidecars, follow=follow))
                records[f.name] = replace(records[f.name], **told)
        if records != kept:
            _save(store, settings, [records[f.name] for f in found if f.name in records])
    return [r for f in found for r in (records[f.name], *records[f.name].odd_ones())]


def counts(records: Sequence[Record]) -> Counter[str]:
    """Return how many files there are of each status."""
    total: Counter[str] = Counter()
    for record in records:
        total[record.status] += record.files
    return total


def _same(record: Record | None, found: Found) -> bool:
    return bool(record and found.stamp and record.stamp == found.stamp)


def _look(base: Path, found: Sequence[Found], limits: Limits) -> Iterator[Record]:
    """Yield the record of everything that was found, in order."""
    console = Console(file=drawing())
    videos = [f for f in found if not f.refused]
    if len(videos) > FEW and not console.is_terminal:
        console.print(f"looking into {len(videos)} videos", highlight=False)
    yield from (Record(f.name, "refused", f.refused) for f in found if f.refused)
    jobs = (
        VideoSource(f.kind, base / (f.folder if f.pictures else f.name), f.pictures) for f in videos
    )
    answers = track(
        zip(videos, look_into(jobs, limits, _Announcer(console)), strict=True),
        "checking",
        total=len(videos),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    for f, answer in answers:
        facts = {"kind": f.kind, "stats": f.stats, "stamp": f.stamp, "folder": f.folder}
        yield _record(f.name, pictures=f.pictures, **facts, **answer)


class _Announcer:
    """Says of videos that take long how far they are."""

    def __init__(self, console: Console) -> None:
        self._console, self._last = console, time.monotonic()

    def __call__(self, video: VideoSource, frames: int) -> None:
        if (now := time.monotonic()) - self._last > SAY_EVERY:
            self._last = now
            name = printable(video.path.name)
            self._console.print(
                f"checking {name}: {frames:,} frames", highlight=False, markup=False
            )


def _record(name: str, **facts: Any) -> Record:
    """Return a record of facts as JSON holds them: lists for tuples."""
    nested = {"stats", "left_out"} & facts.keys()
    flat = {"gaps", "cuts", "pictures"} & facts.keys()
    facts |= {key: tuple(map(tuple, facts[key])) for key in nested}
    return Record(name, **facts | {key: tuple(facts[key]) for key in flat})


def _load(store: Path, settings: dict[str, Any]) -> dict[str, Record]:
    """Return the kept records; none if other rules or another version wrote them."""
    try:
        with store.open(encoding="ascii") as file:
            if json.loads(next(file)) != settings:
                return {}
            lines = [json.loads(line) for line in file]
        records = [_record(**line) for line in lines]
    except (OSError, ValueError, TypeError, KeyError, StopIteration):
        return {}
    return {record.name: record for record in records}


def _save(store: Path, settings: dict[str, Any], records: Sequence[Record]) -> None:
    """Write the records; a folder that can't be written costs the next run a scan."""
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=store.parent, suffix=".tmp", encoding="ascii", delete=False
        ) as file:
            print(json.dumps(settings), file=file)
            for record in records:
                print(json.dumps(asdict(record)), file=file)
        os.replace(file.name, store)
    except OSError:
        return
