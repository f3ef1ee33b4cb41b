"""Decoded films in the user's cache folder, bounded, oldest out first."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from vidgan_core.data.cache import cache_folder
from vidgan_core.media.read import Picture

AN_HOUR = 3600.0
ABANDONED = 24 * AN_HOUR  # a file half written for a day belongs to a run that was killed


class FrameCache:
    """Arrays (N, H, W, 3) by key, each a file that is mapped, not read.

    Several processes may share it: a file appears at once or not at all, and one that is gone is
    made again. `gigabytes` bounds the folder, whoever has filled it.
    """

    def __init__(self, gigabytes: float) -> None:
        self.bound = int(gigabytes * 2**30)
        self._written = 0

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return cache_folder() / "frames"

    def get(
        self, key: str, shape: tuple[int, ...], make: Callable[[], Iterable[Picture]]
    ) -> Picture | None:
        """Return the array kept under `key`; make and keep it if there is none.

        None if it can't be kept: then it is for the caller to do without.
        """
        path = self.folder / f"{key}.npy"
        if (array := _mapped(path, shape)) is not None:
            _touch(path)
            return array
        try:
            self._write(path, shape, make())
        except OSError:
            return None
        self._written += math.prod(shape)
        if self._written > self.bound / 20:
            self.trim()
        return _mapped(path, shape)

    def trim(self) -> None:
        """Remove the files that were unused for longest until the rest fits the bound."""
        self._written = 0
        files = []
        with suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                facts = entry.stat()
                files.append((facts.st_mtime, facts.st_size, entry.path))
        total = sum(size for _, size, _ in files)
        for mtime, size, path in sorted(files):
            half_written = path.endswith(".tmp") and mtime > time.time() - ABANDONED
            if total <= self.bound:
                return
            if not half_written:
                with suppress(OSError):
                    os.unlink(path)
                    total -= size

    def _write(self, path: Path, shape: tuple[int, ...], frames: Iterable[Picture]) -> None:
        """Write frame after frame, so that a long film needs no memory."""
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        os.close(descriptor)
        try:
            array: Any = open_memmap(name, "w+", np.uint8, shape)
            for number, frame in enumerate(frames):
                array[number] = frame
            array.flush()
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise


def _mapped(path: Path, shape: tuple[int, ...]) -> Picture | None:
    try:
        array: Picture = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array if array.shape == shape and array.dtype == np.uint8 else None


def _touch(path: Path) -> None:
    """Remember the use of a file, at most once an hour."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > AN_HOUR:
            os.utime(path)
