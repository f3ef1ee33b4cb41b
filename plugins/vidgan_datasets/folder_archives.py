"""Archives among what lies in a folder, as what lies in them. Free of torch."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vidgan_core.media.member import Place
from vidgan_datasets.folder_record import CARRIED, Record
from vidgan_datasets.folder_walk import Found, stamp_of
from vidgan_datasets.picture_kind import Layout
from vidgan_datasets.probe import Listing, Progress, look_into
from vidgan_datasets.probe_limits import Limits


def unpacked(
    base: Path,
    found: Sequence[Found],
    kept: Iterable[Record],
    layout: Layout,
    limits: Limits,
    progress: Progress,
) -> list[Found]:
    """Return the finds with each archive replaced by what it holds.

    Of an archive that has not changed that is known from `kept`, where all of it is still there.
    """
    before: dict[str, list[Record]] = defaultdict(list)
    for record in kept:
        if record.archive:
            before[record.archive].append(record)
    archives = [f for f in found if f.kind == "archive" and not f.refused]
    fresh = [f for f in archives if not _is_known(f, before[f.name])]
    jobs = (Listing(base / f.name, layout) for f in fresh)
    answers = zip(fresh, look_into(jobs, limits, progress), strict=True)
    held = {f.name: list(_held(f, answer)) for f, answer in answers}
    held |= {f.name: list(map(_again, before[f.name])) for f in archives if f.name not in held}
    return [inner for f in found for inner in held.get(f.name, [f])]


def _is_known(archive: Found, records: Sequence[Record]) -> bool:
    same = all(record.stats == archive.stats for record in records)
    return bool(records) and same and len(records) == records[0].members


def _again(record: Record) -> Found:
    """Return the find of a record that is still right."""
    return Found(record.name, record.kind, **{name: getattr(record, name) for name in CARRIED})


def _held(archive: Found, answer: Mapping[str, Any]) -> Iterator[Found]:
    """Yield what an archive holds, or why it is not read."""
    held = answer.get("held")
    if held is None:  # it was too much for the process that looked
        held = [{"name": "", "refused": answer["reason"], "status": answer["status"]}]
    for facts in held:
        yield _found(archive, len(held), dict(facts))


def _found(archive: Found, members: int, facts: dict[str, Any]) -> Found:
    name = os.path.join(archive.name, facts.pop("name")).removesuffix("/")
    places = tuple(Place(*place) for place in facts.pop("places", ()))
    pictures = tuple(facts.pop("pictures", ()))
    folder = os.path.join(archive.name, facts.pop("folder", "")).removesuffix("/")
    stamp = stamp_of([archive.stamp, name, repr((pictures, places))], [(0, 0)] * 3)
    held = Found(name, stats=archive.stats, stamp=stamp, archive=archive.name, members=members)
    if pictures:
        held = replace(held, folder=folder)
    return replace(held, pictures=pictures, places=places, **facts)
