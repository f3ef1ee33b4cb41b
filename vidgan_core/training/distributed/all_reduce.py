"""How the numbers of several processes are averaged.

Processes of one machine put theirs into memory that all of them see: a number is written once and
read once by each, where a socket would copy it a few times more. Others, and what lies on a GPU,
go through one flat all-reduce (gloo, nccl).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

import torch
import torch.distributed as dist
from torch import Tensor

from vidgan_core.tensors import flat, in_memory_order


class AllReduce:
    """Averages tensors over `size` processes, of which this is number `rank`.

    `gather` returns what each process gives it. All methods are to be called by all processes, in
    the same order, with tensors that are laid out alike.
    """

    def __init__(self, rank: int, size: int, gather: Callable[[Any], list[Any]]) -> None:
        self._rank = rank
        self._size = size
        self._gather = gather
        self._near = True  # as far as is known
        self._rows: Tensor | None = None  # (processes, numbers), shared

    def average(self, tensors: Sequence[Tensor], few: Tensor) -> None:
        """Replace `tensors`, and `few`, a short vector, by their means over all processes."""
        rows = self._shared(tensors)
        if rows is None:
            self._average_flat([*tensors, few])
            return
        places = [in_memory_order(tensor) for tensor in tensors]
        numbers = [place.numel() for place in places]
        parts = [
            [part.view(place.shape) for part, place in zip(row.split(numbers), places, strict=True)]
            for row in rows[:, : sum(numbers)]
        ]
        # Nobody's sum is there before everybody's number has come in: all have read the last ones.
        dist.all_reduce(torch.zeros(1))
        for part, place in zip(parts[self._rank], places, strict=True):
            torch.mul(place, 1 / self._size, out=part)
        dist.all_reduce(few)  # and now all have written
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
            view = in_memory_order(tensor)
            view.copy_(row.view(view.shape))

    def _shared(self, tensors: Sequence[Tensor]) -> Tensor | None:
        """Return rows with room for all of `tensors`; None where there is no such memory."""
        dtype = tensors[0].dtype
        alike = all(t.dtype == dtype and t.device.type == "cpu" for t in tensors)
        if not self._near or not alike:
            return None
        count = sum(tensor.numel() for tensor in tensors)
        if self._rows is None or self._rows.dtype != dtype or self._rows.size(1) < count:
            self._rows = None
            self._rows = self._open(count, dtype)
            self._near = self._rows is not None
        return self._rows

    def _open(self, count: int, dtype: torch.dtype) -> Tensor | None:
        """Return memory of the first process's, mapped by all; it goes with the last of them.

        None if one of them can't: it is on another machine, or does not see the first one's files.
        The name, which nobody else has, tells; a path of /proc may lead to somebody else's file.
        """
        name, file, unique = "", None, f"vidgan-{uuid4().hex}"
        if self._rank == 0:
            with suppress(AttributeError, OSError):
                file = os.memfd_create(unique)
                os.posix_fallocate(file, 0, self._size * count * dtype.itemsize)
                name = unique  # only now: memory that is not reserved would be missed in a write
        path, name = self._gather((f"/proc/{_pid()}/fd/{file}", name))[0]
        rows = None
        with suppress(OSError, RuntimeError):
            if os.readlink(path) == f"/memfd:{name} (deleted)":
                rows = torch.from_file(path, shared=True, size=self._size * count, dtype=dtype)
        mapped = all(self._gather(rows is not None))
        if file is not None:
            os.close(file)
        return rows.view(self._size, count) if rows is not None and mapped else None


def _pid() -> str:
    """Return this process's number as /proc has it, which may be of another namespace."""
    try:
        return os.readlink("/proc/self")
    except OSError:
        return ""
