"""How much memory this process may still take: of the machine, and of its cgroup. Free of torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from vidgan_core.errors import VidganError

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBER = Path("/proc/self/cgroup")
# Of the second and of the first version: the limit, what is taken, and what of it can be dropped.
_V2 = ("memory.max", "memory.current", "inactive_file")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def available() -> int:
    """Return how many bytes can be taken before the machine or the process's group has none."""
    return min([_of_machine(), *_of_groups()])


def check_memory(
    what: str, needed: int, error: type[VidganError] = VidganError, *, hint: str = ""
) -> None:
    """Raise an error if `needed` bytes are more than there are."""
    there = available()
    if needed > there:
        raise error(f"{what} needs {needed:,} bytes of memory; there are {there:,}", hint=hint)


def _of_machine() -> int:
    """Return what Linux says can be taken without swapping; elsewhere all of the memory."""
    try:
        text = Path("/proc/meminfo").read_text("ascii")
        line = next(x for x in text.splitlines() if x.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration, ValueError, IndexError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _of_groups() -> Iterator[int]:
    """Yield what is left of each limit: of the process's group and of those around it."""
    for folder, (limit, usage, droppable) in _groups():
        most, taken = _number(folder / limit), _number(folder / usage)
        if most is not None and taken is not None:
            yield max(0, most - taken + _statistic(folder / "memory.stat", droppable))


def _groups() -> Iterator[tuple[Path, tuple[str, str, str]]]:
    try:
        lines = _MEMBER.read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        root, names = (_CGROUPS / "memory", _V1) if kinds else (_CGROUPS, _V2)
        inner = PurePosixPath(path)
        for part in (inner, *inner.parents):
            yield root / str(part).lstrip("/"), names


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):  # "max" is no number
        return None


def _statistic(path: Path, name: str) -> int:
    try:
        lines = path.read_text("ascii").splitlines()
    except (OSError, ValueError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name} ")), 0)
