"""Arrays on disk that are verified before they are believed: .npy files with a checksum behind.

A file is there whole or not at all. Free of torch.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

Array = np.ndarray[Any, Any]
TEMPORARY = ".tmp"
_DIGEST = hashlib.sha256().digest_size
_BLOCK = 2**22


def write_array(path: Path, array: Array) -> None:
    """Write an array. Raises OSError."""
    write_rows(path, array.shape, array.dtype, [array[...]], whole=True)


def write_rows(
    path: Path, shape: tuple[int, ...], dtype: Any, rows: Iterable[Array], *, whole: bool = False
) -> None:
    """Write an array row after row, so that a long one needs no memory. Raises OSError."""
    descriptor, name = tempfile.mkstemp(TEMPORARY, f"{path.stem}.", path.parent)
    os.close(descriptor)
    try:
        array: Any = open_memmap(name, "w+", dtype, shape)
        if whole:
            array[...] = next(iter(rows))
        else:
            for number, row in enumerate(rows):
                array[number] = row
        array.flush()
        with open(name, "r+b") as file:
            digest = _digest(file, os.fstat(file.fileno()).st_size, path.name)
            file.write(digest)
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def read_array(path: Path) -> Array | None:
    """Return the array in a file, mapped, not read; None if there is none or it is not as written.

    A file is read whole for its checksum once a process, and again when it has changed.
    """
    try:
        facts = os.lstat(path)
        identity = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
        if not _is_as_written(path, identity):
            return None
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array


@lru_cache(maxsize=65536)
def _is_as_written(path: Path, identity: tuple[int, ...]) -> bool:
    size = identity[2]
    if size <= _DIGEST:
        return False
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        return _digest(file, size - _DIGEST, path.name) == file.read()


def _digest(file: Any, size: int, name: str) -> bytes:
    """Return a hash of a file's first bytes and of its name: under another one it is no good."""
    found = hashlib.sha256(name.encode())
    file.seek(0)
    while size and (block := file.read(min(size, _BLOCK))):
        found.update(block)
        size -= len(block)
    return found.digest()
