"""Which videos of a folder are for training and which are held out. Free of torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Literal

import numpy as np

from vidgan_core.errors import UsageError, printable
from vidgan_datasets.folder_record import Record

Parts = tuple[list[Record], list[Record]]  # train, test


Classes = Literal["none", "folders", "files"]


def class_of(record: Record, classes: Classes = "folders") -> str:
    """Return the name of a video's class, nothing for one without.

    "folders": the top folder that it is in, or the archive; "files": what its own file tells.
    """
    if classes == "files":
        return record.label
    folder, slash, _ = record.plain_name.partition("/")
    if slash:
        return folder
    return PurePath(record.archive).stem if record.archive else ""


def by_content(videos: Sequence[Record], held_out: float) -> Parts:
    """Split by content, so that copies of a video are on one side and new videos move no other.

    Where that leaves a side without any, the nearest video (with its copies) goes there. A lone
    video is for training.
    """
    places = sorted({_place(r) for r in videos})
    border = held_out if len(places) > 1 else 0.0
    if border:
        border = min(max(border, float(np.nextafter(places[0], 1))), places[-1])
    test = [r for r in videos if _place(r) < border]
    return [r for r in videos if _place(r) >= border], test


def by_lists(videos: Sequence[Record], train_list: str, test_list: str) -> Parts:
    """Split as list files say; without one of the two, what the other does not name is there.

    Raises UsageError for a list that can't be read or names none of the videos.
    """
    train, test = (_named(path, videos) if path else None for path in (train_list, test_list))
    both = (train or set()) | (test or set())
    rest = {r.name for r in videos} - both
    train, test = rest if train is None else train, rest if test is None else test
    if overlap := sorted(train & test):
        raise UsageError(f"data.train_list, data.test_list: both name {printable(overlap[0])}")
    return [r for r in videos if r.name in train], [r for r in videos if r.name in test]


def _named(path: str, videos: Sequence[Record]) -> set[str]:
    """Return the videos that a list names, one a line, as UCF-101's do: path, and maybe a number.

    A path is taken from the data set's root; its suffix may be missing.
    """
    try:
        lines = Path(path).read_text("utf-8", errors="surrogateescape").splitlines()
    except OSError as error:
        raise UsageError(f"{printable(path)} can't be read: {error.strerror}") from None
    wanted = {re.sub(r"\s+[0-9]+$", "", line.strip()).removeprefix("./") for line in lines}
    names = {r.name for r in videos if any(name in wanted for name in _names(r))}
    if not names:
        raise UsageError(f"{printable(path)} names none of the videos that can be used")
    return names


def _names(record: Record) -> Iterator[str]:
    for name in (record.name, record.plain_name):
        yield from (name, name.rpartition(".")[0])


def _place(record: Record) -> float:
    """Return where in [0, 1) the content of a video puts it."""
    return int(record.sha256[:12], 16) / 16**12
