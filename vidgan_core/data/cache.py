"""Where decoded clips are kept between runs, and the hashes that name them. Free of torch."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np

from vidgan_core.data.array_file import read_array, write_array
from vidgan_core.media.member import File


def digest(*parts: object) -> str:
    """Return a hash of settings, for fingerprints and cache keys."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def file_digest(path: File) -> str:
    """Return the sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(cast(Any, file), "sha256").hexdigest()


def cache_folder() -> Path:
    """Where decoded clips are kept: `VIDGAN_CACHE`, or vidgan in the user's cache folder."""
    if chosen := os.environ.get("VIDGAN_CACHE"):
        return Path(chosen)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "vidgan"
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir()) / f"vidgan-{os.getuid()}"


def cached(key: str, make: Callable[[], np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """Return the array kept under `key`, memory-mapped; make and keep it if there is none."""
    kept = recall(key)
    return keep(key, make()) if kept is None else kept


def recall(key: str) -> np.ndarray[Any, Any] | None:
    """Return the array kept under `key`, memory-mapped; None without one that is as written."""
    return read_array(_path(key)) if is_private(cache_folder()) else None


def keep(key: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Keep an array and return it, memory-mapped. A cache that can't be written costs time only."""
    path = _path(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if is_private(path.parent):
            write_array(path, array)
    except OSError:
        return array
    kept = recall(key)
    return array if kept is None else kept


def is_private(folder: Path) -> bool:
    """Is it this user's own folder, which not everybody can write to?"""
    try:
        facts = folder.stat()
    except OSError:
        return False
    return facts.st_uid == os.getuid() and not facts.st_mode & 0o002


def _path(key: str) -> Path:
    return cache_folder() / f"{key}.npy"
