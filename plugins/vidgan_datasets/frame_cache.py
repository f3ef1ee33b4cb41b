"""Decoded videos in the user's cache folder, bounded, oldest out first."""

from __future__ import annotations

import math
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np

from vidgan_core.data.array_file import read_array, write_rows
from vidgan_core.data.cache import cache_folder
from vidgan_core.media.frames import Frames, Picture

AN_HOUR = 3600.0
ABANDONED = 24 * AN_HOUR  # a file half written for a day belongs to a run that was killed
MARK = ".vidgan-frames"  # in a folder that vidgan created for frames
_OURS = re.compile(r"[0-9a-f]{64}(\.npy|\.\w+\.tmp)")  # names that vidgan gives, and nobody else


class FrameCache:
    """Arrays (N, H, W, C) by key, a sha256 in hex, each a file that is mapped, not read.

    Several processes may share it: a file appears at once or not at all, and one that is gone or
    not as it was written is decoded again. `gigabytes` bounds what vidgan has written there.
    Nothing else in the folder is ever touched, and no link is followed.
    """

    def __init__(self, gigabytes: float) -> None:
        self.bound = int(gigabytes * 2**30)
        self._written = 0
        self._filling: dict[str, threading.Thread] = {}

    def __getstate__(self) -> dict[str, Any]:  # threads stay in the process that started them
        return self.__dict__ | {"_filling": {}}

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return cache_folder() / "frames"

    def get(
        self,
        key: str,
        shape: tuple[int, ...],
        decode: Callable[[], Iterable[Picture]],
        *,
        wait: bool = True,
    ) -> Frames | None:
        """Return the array kept under `key`; decode and keep it if there is none.

        None if it can't be kept, or not yet: without `wait` a thread decodes it meanwhile. Then it
        is for the caller to do without.
        """
        path = self.folder / f"{key}.npy"
        if (array := _kept(path, shape)) is not None:
            _touch(path)
            return array
        if not _prepared(self.folder):
            return None
        if wait:
            self._fill(path, shape, decode)
            return _kept(path, shape)
        if key not in self._filling:
            arguments = (path, shape, decode)
            thread = threading.Thread(target=self._fill_quietly, args=arguments, daemon=True)
            self._filling[key] = thread
            thread.start()
        return None

    def _fill(
        self, path: Path, shape: tuple[int, ...], decode: Callable[[], Iterable[Picture]]
    ) -> None:
        try:
            write_rows(path, shape, np.uint8, decode())
        except OSError:
            return
        self._written += math.prod(shape)
        if self._written > self.bound / 20:
            self.trim()

    def _fill_quietly(self, *arguments: Any) -> None:
        """Fill; a video that can't be read any more is for who asks for its clips to report."""
        with suppress(ValueError, IndexError, av.FFmpegError):
            self._fill(*arguments)

    def trim(self) -> None:
        """Remove the files that were unused for longest until the rest fits the bound."""
        self._written = 0
        files = []
        with suppress(OSError):
            if not _is_marked(self.folder):
                return
            for name in os.listdir(self.folder):
                facts = os.lstat(self.folder / name)
                if _OURS.fullmatch(name) and _is_own_file(facts):
                    files.append((facts.st_atime, facts.st_size, name))
        total = sum(size for _, size, _ in files)
        for used, size, name in sorted(files):
            half_written = name.endswith(".tmp") and used > time.time() - ABANDONED
            if total <= self.bound:
                return
            if not half_written:
                with suppress(OSError):
                    os.unlink(self.folder / name)
                    total -= size


def _kept(path: Path, shape: tuple[int, ...]) -> Frames | None:
    array = read_array(path)
    fits = array is not None and array.shape == shape and array.dtype == np.uint8
    return array if fits else None


def _prepared(folder: Path) -> bool:
    """Create and mark the folder. False for one of somebody else, or with other files in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _is_marked(folder):
            return True
        names = os.listdir(folder)
        if not _is_own_folder(os.lstat(folder)) or not all(map(_OURS.fullmatch, names)):
            return False
        (folder / MARK).touch()
    except OSError:
        return False
    return True


def _is_marked(folder: Path) -> bool:
    return _is_own_folder(os.lstat(folder)) and (folder / MARK).is_file()


def _is_own_folder(facts: os.stat_result) -> bool:
    own = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid()
    return own and not facts.st_mode & 0o002


def _is_own_file(facts: os.stat_result) -> bool:
    return stat.S_ISREG(facts.st_mode) and facts.st_uid == os.getuid()


def _touch(path: Path) -> None:
    """Remember the use of a file, at most once an hour; its time of change stays what it was."""
    with suppress(OSError):
        facts = path.stat()
        if time.time() - facts.st_atime > AN_HOUR:
            os.utime(path, ns=(time.time_ns(), facts.st_mtime_ns))
