"""A folder that one process has for itself; the lock follows it where it is moved to."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from vidgan_core.errors import UsageError, VidganError, printable

logger = logging.getLogger("vidgan.runs")


class FolderLock:
    """An open and locked folder; closed when nothing refers to it any more."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)

    def follow(self, path: Path) -> Path:
        """Return where the locked folder is: `path`, or what it has been moved to since.

        Raises VidganError if it is gone, or if another folder is in its place and the system does
        not tell where it went: nothing of this run may be written into that one.
        """
        if self._is_at(path):
            return path
        moved = self._moved_to()
        if moved is None:
            raise VidganError(
                f"{printable(str(path))} is no longer the folder that this run trains in: "
                "it was moved, replaced or deleted; nothing more is written"
            )
        logger.warning("%s was moved; the run goes on in %s", path, moved)
        return moved

    def _is_at(self, path: Path) -> bool:
        try:
            return os.path.samestat(os.stat(path), os.fstat(self.descriptor))
        except OSError:
            return False

    def _moved_to(self) -> Path | None:
        """Ask the system (Linux) for the path of the open folder."""
        try:
            path = Path(os.readlink(f"/proc/self/fd/{self.descriptor}"))
        except OSError:
            return None
        return path if self._is_at(path) else None


def take(path: Path) -> FolderLock | None:
    """Lock a folder as long as the result lives. None on systems without flock.

    Raises UsageError if another process has it.
    """
    try:
        import fcntl
    except ImportError:
        return None
    lock = FolderLock(path)
    try:
        fcntl.flock(lock.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"another process is at work in {path}") from None
    return lock
