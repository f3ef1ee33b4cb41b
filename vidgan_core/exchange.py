"""How the numbers of several processes are averaged.

Processes of one machine put theirs into memory that all of them see: a number is written once and
read once by each, where a socket would copy it a few times more. Others, and what lies on a GPU,
go through one flat all-reduce (gloo, nccl).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from vidgan_core.precision import flat, ordered

BOOT = Path("/proc/sys/kernel/random/boot_id")
PIDS = Path("/proc/self/ns/pid")


class Exchange:
    """Averages tensors over `size` processes, of which this is number `rank`.

    `gather` returns what each process gives it. All methods are to be called by all processes, in
    the same order, with tensors that are laid out alike.
    """

    def __init__(self, rank: int, size: int, gather: Callable[[Any], list[Any]]) -> None:
        self._rank = rank
        self._size = size
        self._gather = gather
        self._near: bool | None = None  # not known yet
        self._rows: Tensor | None = None  # (processes, numbers), shared

    def average(self, tensors: Sequence[Tensor], few: Tensor) -> None:
        """Replace `tensors`, and a few more numbers in one, by their means over all processes."""
        rows = self._shared(tensors)
        if rows is None:
            self._average_flat([*tensors, few])
            return
        places = [ordered(tensor) for tensor in tensors]
        numbers = [place.numel() for place in places]
        parts = [
            [part.view(place.shape) for part, place in zip(row.split(numbers), places, strict=True)]
            for row in rows[:, : sum(numbers)]
        ]
        dist.all_reduce(torch.zeros(1))  # all have read what was there before
        for part, place in zip(parts[self._rank], places, strict=True):
            torch.mul(place, 1 / self._size, out=part)
        dist.all_reduce(few)  # and thereby all have written
        few /= self._size
        for place, first, second, *others in zip(places, *parts, strict=True):
            torch.add(first, second, out=place)
            for other in others:
                torch.add(place, other, out=place)

    def _average_flat(self, tensors: Sequence[Tensor]) -> None:
        whole = torch.cat([flat(tensor) for tensor in tensors])
        dist.all_reduce(whole)
        whole /= self._size
        numbers = [tensor.numel() for tensor in tensors]
        for tensor, row in zip(tensors, torch.split(whole, numbers), strict=True):
            view = ordered(tensor)
            view.copy_(row.view(view.shape))

    def _shared(self, tensors: Sequence[Tensor]) -> Tensor | None:
        """Return rows with room for all of `tensors`; None where there is no such memory."""
        if tensors[0].device.type != "cpu":
            return None
        if self._near is None:
            here = self._gather(_here())
            self._near = None not in here and len(set(here)) == 1
        if not self._near:
            return None
        count, dtype = sum(tensor.numel() for tensor in tensors), tensors[0].dtype
        rows = self._rows
        if rows is None or rows.dtype != dtype or rows.size(1) < count:
            self._rows = None
            self._rows = self._open(count, dtype)
            self._near = self._rows is not None
        return self._rows

    def _open(self, count: int, dtype: torch.dtype) -> Tensor | None:
        """Return memory of the first process's, mapped by all; it goes with the last of them."""
        file = _nameless() if self._rank == 0 else None
        path, *_ = self._gather(f"/proc/{os.getpid()}/fd/{file}")
        rows = None
        with suppress(OSError, RuntimeError):
            rows = torch.from_file(path, shared=True, size=self._size * count, dtype=dtype)
        mapped = all(self._gather(rows is not None))
        if file is not None:
            os.close(file)
        return rows.view(self._size, count) if rows is not None and mapped else None


def _nameless() -> int | None:
    """Return a file that has no name and is kept in memory; None if there can't be one."""
    try:
        return os.memfd_create("vidgan")
    except OSError:
        return None


def _here() -> str | None:
    """Return what only processes that see each other's open files in /proc have in common."""
    if not hasattr(os, "memfd_create"):
        return None
    try:
        return f"{BOOT.read_text().strip()} {PIDS.stat().st_ino}"
    except OSError:
        return None
