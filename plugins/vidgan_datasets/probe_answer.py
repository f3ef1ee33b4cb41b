"""What a process that reads a stranger's video may answer. Free of torch.

A decoder that was taken over can write anything. What is not an answer by its size, its types and
its numbers is a ValueError to the process that asked, and costs that one little.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import IO, Any

from vidgan_core.media.still import DEPTHS
from vidgan_core.media.video_source import VideoSource
from vidgan_datasets.probe_limits import MOST_TEXT, Limits

MOST = 64 << 20  # characters of an answer: a million frames with a time, a cut and a gap each
A_PICTURE = 2000  # more of them for each picture of a folder: what is wrong with it
STATUSES = ("ok", "damaged", "refused", "other")
_HASH = re.compile(r"[0-9a-f]{64}")
_TIMES = re.compile(r"(?:pts|dts|rate) [1-9]\d{0,17}(?:/[1-9]\d{0,17})? (-?\d{1,19})(?= |\Z)", re.A)
_RUN = re.compile(r"([1-9]\d{0,18})\*([1-9]\d{0,9})", re.A)


def read_answer(
    stream: IO[str], video: VideoSource, limits: Limits, progress: Callable[[int], None]
) -> dict[str, Any]:
    """Return what was found out about a video: some fields of `folder_index.Record`.

    `progress` is told how many frames have been read. Raises ValueError for what is no answer.
    """
    most = MOST + A_PICTURE * len(video.pictures)
    answer = last_line(stream, most, 2 * limits.frames + 2, progress)  # a GIF is read twice
    for key, value in answer.items():
        if key not in _RULES or not _RULES[key](value):
            raise ValueError(f"it answers with {key[:40]!r}")
    if not {"status", "reason"} <= answer.keys() or not _agrees(answer, video, limits):
        raise ValueError("its answer contradicts itself")
    return answer | {"reason": answer["reason"][:MOST_TEXT]}


def last_line(
    stream: IO[str], most: int, most_read: int, progress: Callable[[int], None]
) -> dict[str, Any]:
    """Return the line after those that say how much has been read, of `most` characters."""
    before = 0
    while "read" in (answer := _line(stream, most)):
        read = answer["read"]
        if not is_count(read) or not before < read <= most_read:
            raise ValueError("it says that it has read what there can't be")
        before = read
        progress(read)
    return answer


def _line(stream: IO[str], most: int) -> dict[str, Any]:
    line = stream.readline(most)
    if not line.endswith("\n"):
        raise ValueError("it answers without end" if line else "it does not answer")
    try:
        found = json.loads(line)
    except RecursionError:
        raise ValueError("it answers too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it answers with no object")
    return found


def _agrees(answer: Mapping[str, Any], video: VideoSource, limits: Limits) -> bool:
    """Can this be of this video, and is one part of it true of the other?"""
    frames: int = answer.get("frames", 0)
    left_out = [name for name, _, _ in answer.get("left_out", ())]
    if not {*left_out} <= {*video.pictures} or len({*left_out}) < len(left_out):
        return False
    if answer["status"] != "ok":
        return frames == 0
    if video.kind == "frames" and frames != len(video.pictures) - len(left_out):
        return False
    most = 16 * limits.megapixels * 1e6  # the pixels of a frame may be that wide
    return (
        0 < frames <= limits.frames
        and 0 < answer.get("height", 0) * answer.get("width", 0) <= most
        and len(answer.get("sha256", "")) == 64
        and _are_times(answer.get("times", ""), frames)
        and all(_are_places(answer.get(key, ()), frames) for key in ("gaps", "cuts"))
    )


def _are_times(text: str, frames: int) -> bool:
    """Are these what `Times` writes for this many frames? Nothing is as well."""
    start = _TIMES.match(text)
    if not start:
        return not text
    runs = [_RUN.fullmatch(run) for run in text[start.end() :].split()]
    pairs = [(int(run[1]), int(run[2])) for run in runs if run]
    first = int(start[1])
    last = first + sum(step * count for step, count in pairs)
    total = 1 + sum(count for _, count in pairs)
    return len(pairs) == len(runs) and total == frames and -(2**63) <= first <= last < 2**63


def _are_places(places: list[int], frames: int) -> bool:
    """Are these frames of a video, in order, and not the first one?"""
    return [0, *places, frames] == sorted({0, *places, frames})


def is_count(value: Any) -> bool:
    """Is it a whole number that counts something?"""
    return type(value) is int and 0 <= value < 2**31


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_count, value))


def is_text(value: Any) -> bool:
    """Is it text?"""
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_status(value: Any) -> bool:
    return isinstance(value, str) and value in STATUSES


def _is_rate(value: Any) -> bool:
    return isinstance(value, float) and 0 <= value < math.inf


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and bool(_HASH.fullmatch(value))


def _is_depth(value: Any) -> bool:
    return value in (*DEPTHS, 16)


def _are_odd_ones(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_odd_one, value))


def _is_odd_one(value: Any) -> bool:
    whole = isinstance(value, list) and len(value) == 3 and all(map(is_text, value))
    return whole and value[1] in STATUSES and len(value[2]) <= MOST_TEXT


_RULES: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("frames", "height", "width"), is_count),
    **dict.fromkeys(("gaps", "cuts"), _are_counts),
    **dict.fromkeys(("reason", "times"), is_text),
    **dict.fromkeys(("interlaced", "hdr"), _is_flag),
    "status": _is_status,
    "rate": _is_rate,
    "sha256": _is_hash,
    "depth": _is_depth,
    "left_out": _are_odd_ones,
}
