"""What became of the files of a folder, in words. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence

from vidgan_core.errors import printable
from vidgan_core.media.timestamps import Times
from vidgan_datasets.folder_record import Record
from vidgan_datasets.windows import Timeline, Windows

HONOURED = {  # facts about a video that its pixels do not show
    "turned from HDR to SDR": lambda r: r.hdr,
    "deinterlaced": lambda r: r.interlaced,
    "without presentation times": lambda r: _source(r) in ("dts", "rate"),
    "with gaps": lambda r: bool(r.gaps),
    "of 10 or 12 bits in 16": lambda r: r.depth < 16,
}


def counted(parts: dict[str, int], total: int) -> str:
    """Return how many files are what; "used" even if there is none."""
    listed = ", ".join(f"{n} {what}" for what, n in parts.items() if n or what == "used")
    return f"{total} file{'s' * (total != 1)}: {listed}"


def honoured(videos: Sequence[Record]) -> str:
    """Return how many videos needed what, nothing if none did."""
    found = {what: sum(map(asks, videos)) for what, asks in HONOURED.items()}
    listed = ", ".join(f"{n} {what}" for what, n in found.items() if n)
    return f"; of the videos {listed}" if listed else ""


def first_reasons(reasons: Sequence[tuple[str, str]], total: int) -> str:
    """Return why the first files are not used, and how many more there are."""
    listed = "; ".join(f"{printable(name)}: {why}" for name, why in reasons)
    more = total - len(reasons)
    return (listed or "the folder is empty") + (f"; and {more} more" if more > 0 else "")


def too_short(windows: Windows, timeline: Timeline) -> str:
    """Return why a video has no window."""
    length, span = windows.length(timeline), windows.span
    where = " without a cut or gap between" if timeline.breaks and length >= span else ""
    return f"has {length} of the {span} frames of a window{where}"


def _source(record: Record) -> str:
    times = Times.parse(record.times)
    return times.source if times else ""
