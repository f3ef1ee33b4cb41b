"""What is known of every file of a folder, kept between runs. Free of torch."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from vidgan_core.errors import UsageError, printable
from vidgan_core.media.video_source import DECODER
from vidgan_core.streams import drawing
from vidgan_datasets.folder_archives import unpacked
from vidgan_datasets.folder_record import CARRIED, Record, record_of, source_of
from vidgan_datasets.folder_walk import Found, Known, walk
from vidgan_datasets.picture_kind import Layout
from vidgan_datasets.probe import Job, look_into
from vidgan_datasets.probe_limits import Limits
from vidgan_datasets.sidecars import read_sidecars

VERSION = 3  # of what is found out about a file: another one looks again
FEW = 8  # videos that are looked into without a word
SAY_EVERY = 10.0  # seconds


def refresh(
    root: Path,
    store: Path,
    layout: Layout,
    limits: Limits,
    *,
    names: Sequence[str] = (),
    follow: bool = False,
    again: bool = False,
) -> list[Record]:
    """Return a record of everything below `root`; look only into what is new or has changed.

    With `names` only of these files in it. The records are kept in the file `store`. With `again`
    everything is looked into. Raises UsageError if the root can't be read.
    """
    settings = {
        "version": VERSION,
        "decoder": DECODER,
        "layout": layout,
        "follow": follow,
        **asdict(limits),
    }
    kept = {} if again else _load(store, settings)
    known: Known = {
        r.name: (r.kind, r.stamp, r.folder, r.pictures) for r in kept.values() if not r.archive
    }
    try:
        walked = list(walk(root, layout, known, names=names, follow=follow))
    except OSError as error:
        raise UsageError(f"{printable(str(root))} can't be read: {error.strerror}") from None
    say = _Announcer(Console(file=drawing()))
    found = unpacked(root, walked, kept.values(), layout, limits, say)
    records = {f.name: kept[f.name] for f in found if _same(kept.get(f.name), f)}
    try:
        for record in _look(root, [f for f in found if f.name not in records], limits):
            records[record.name] = record
    finally:  # what an interrupted scan has found is kept
        for f in found:
            if f.name in records and not f.archive:
                told: dict[str, Any] = dict(read_sidecars(root, f.sidecars, follow=follow))
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
    for f in found:
        if f.refused:
            facts = {name: getattr(f, name) for name in CARRIED}
            yield Record(f.name, f.status, f.refused, **facts)
    jobs = (source_of(base, f) for f in videos)
    answers = track(
        zip(videos, look_into(jobs, limits, _Announcer(console)), strict=True),
        "checking",
        total=len(videos),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    for f, answer in answers:
        facts = {name: getattr(f, name) for name in CARRIED}
        yield record_of(f.name, kind=f.kind, **facts, **answer)


class _Announcer:
    """Says of videos that take long how far they are."""

    def __init__(self, console: Console) -> None:
        self._console, self._last = console, time.monotonic()

    def __call__(self, job: Job, frames: int) -> None:
        if (now := time.monotonic()) - self._last > SAY_EVERY:
            self._last = now
            name = printable(job.path.name)
            self._console.print(
                f"checking {name}: {frames:,} frames", highlight=False, markup=False
            )


def _load(store: Path, settings: dict[str, Any]) -> dict[str, Record]:
    """Return the kept records; none if other rules or another version wrote them."""
    try:
        with store.open(encoding="ascii") as file:
            if json.loads(next(file)) != settings:
                return {}
            lines = [json.loads(line) for line in file]
        records = [record_of(**line) for line in lines]
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
