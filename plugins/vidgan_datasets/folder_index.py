"""What is known of every file of a folder, kept between runs. Free of torch."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import track

from vidgan_core.errors import UsageError, printable
from vidgan_core.media.read import Film, Kind
from vidgan_core.streams import drawing
from vidgan_datasets.folder_walk import Found, Known, Layout, walk
from vidgan_datasets.probe import look_into
from vidgan_datasets.probe_limits import Limits

Status = Literal["ok", "damaged", "refused", "other"]
VERSION = 1
FEW = 8  # films that are looked into without a word


@dataclass(frozen=True, slots=True)
class Record:
    """One film, or one file that is none. `files`: of how many files it is made."""

    name: str
    status: Status
    reason: str = ""
    kind: Kind = "video"
    size: int = 0
    mtime: int = 0
    stamp: str = ""
    sha256: str = ""
    frames: int = 0
    height: int = 0
    width: int = 0
    rate: float = 0.0
    times: str = ""
    pictures: tuple[str, ...] = ()

    @property
    def files(self) -> int:
        """How many files on the disk this is."""
        return len(self.pictures) or 1

    def film(self, root: Path) -> Film:
        """Return where its frames are."""
        return Film(self.kind, root / self.name, self.pictures, self.frames, self.times)


def refresh(
    root: Path, store: Path, layout: Layout, limits: Limits, *, again: bool = False
) -> list[Record]:
    """Return a record of everything below `root`; look only into what is new or has changed.

    The records are kept in the file `store`. With `again` everything is looked into. Raises
    UsageError if the root can't be read.
    """
    settings = {"version": VERSION, "layout": layout, **asdict(limits)}
    kept = {} if again else _load(store, settings)
    known: Known = {r.name: (r.kind, r.stamp, r.pictures) for r in kept.values()}
    try:
        found = list(walk(root, layout, known))
    except OSError as error:
        raise UsageError(f"{printable(str(root))} can't be read: {error.strerror}") from None
    records = {f.name: kept[f.name] for f in found if _same(kept.get(f.name), f)}
    try:
        for record in _look(root, [f for f in found if f.name not in records], limits):
            records[record.name] = record
    finally:  # what an interrupted scan has learnt is kept
        if records != kept:
            _save(store, settings, [records[f.name] for f in found if f.name in records])
    return [records[f.name] for f in found]


def counts(records: Sequence[Record]) -> Counter[str]:
    """Return how many files there are of each status."""
    total: Counter[str] = Counter()
    for record in records:
        total[record.status] += record.files
    return total


def _same(record: Record | None, found: Found) -> bool:
    return bool(record and found.stamp and record.stamp == found.stamp)


def _look(root: Path, found: Sequence[Found], limits: Limits) -> Iterator[Record]:
    """Yield the record of everything that was found, in order."""
    base = root if root.is_dir() else root.parent
    console = Console(file=drawing())
    films = [f for f in found if not f.refused]
    if len(films) > FEW and not console.is_terminal:
        console.print(f"looking into {len(films)} films", highlight=False)
    yield from (Record(f.name, "refused", f.refused) for f in found if f.refused)
    jobs = (Film(f.kind, base / f.name, f.pictures) for f in films)
    answers = track(
        zip(films, look_into(jobs, limits), strict=True),
        "checking",
        total=len(films),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    for f, answer in answers:
        facts = {"kind": f.kind, "size": f.size, "mtime": f.mtime, "stamp": f.stamp}
        yield Record(f.name, **facts, pictures=f.pictures, **answer)  # type: ignore[arg-type]


def _load(store: Path, settings: dict[str, Any]) -> dict[str, Record]:
    """Return the kept records; none if they were made by other rules or are damaged."""
    try:
        with store.open(encoding="ascii") as file:
            if json.loads(next(file)) != settings:
                return {}
            lines = [json.loads(line) for line in file]
        records = [Record(**line | {"pictures": tuple(line["pictures"])}) for line in lines]
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
