"""Files and folders that a crash leaves whole: flushed to the disk, gone or there by one rename."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError say which file could not be written, which that of a full disk does not."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def write(path: Path, content: Sequence[memoryview]) -> tuple[int, str]:
    """Write a file, down to the disk, and return its size and sha256."""
    with ThreadPoolExecutor(1) as hasher, path.open("wb") as file:
        digest = hasher.submit(sha256, content)  # while the disk is at work
        for part in content:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
        return file.tell(), digest.result()


def replace(path: Path, text: str) -> None:
    """Write a text file that is at every moment the old or the new one, after a crash too."""
    unfinished = path.with_name(f".tmp-{path.name}-{os.getpid()}")
    with naming(path):
        try:
            write(unfinished, [memoryview(text.encode())])
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        fsync(path.parent)


def fsync(folder: Path) -> None:
    """Flush to the disk which files a folder has."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def drop(folder: Path) -> None:
    """Delete a folder, which disappears by one rename: half of it would look damaged."""
    going = folder.with_name(f".tmp-{folder.name}-{os.getpid()}-dropped")
    folder.rename(going)
    shutil.rmtree(going, ignore_errors=True)


def free(folder: Path) -> int:
    """Return how many bytes are free where a folder is, or is to be."""
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    return shutil.disk_usage(there).free


def sha256(content: Iterable[bytes | memoryview]) -> str:
    """Return the hash of bytes that come in parts."""
    digest = hashlib.sha256()
    for part in content:
        digest.update(part)
    return digest.hexdigest()
