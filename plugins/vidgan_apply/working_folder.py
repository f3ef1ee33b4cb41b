"""The folder next to an unfinished output: what was made so far, so that the work can go on."""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vidgan_core.errors import UsageError, VidganError, one_line, printable
from vidgan_core.runs.atomic_files import naming, replace, write
from vidgan_core.runs.folder_lock import FolderLock, take

SUFFIX = ".unfinished"
logger = logging.getLogger("vidgan.apply")
_JOB, _STATE = "job.json", "state.pt"
_OURS = ("*.nut", "*.png", "*.pt", "*.json", ".tmp-*")


@dataclass
class WorkingFolder:
    """Parts of an output, and how many windows they hold.

    `identity` says what is made of what: parts of other work are not gone on with.
    """

    path: Path
    identity: str
    windows: int = 0
    frames: int = 0
    notes: dict[str, Any] | None = None  # what else is carried on, plain values
    lock: FolderLock | None = None

    @classmethod
    def open(cls, out: Path, identity: str) -> WorkingFolder:
        """Go on with the unfinished work of an output, or begin it. Raises VidganError."""
        out = out.absolute()
        if not out.name:
            raise UsageError(f"{printable(str(out))} can't be an output")
        path = out.with_name(f".{out.name}{SUFFIX}")
        folder = cls(path, identity)
        try:
            if path.is_symlink() or (path.exists() and not path.is_dir()):
                raise UsageError(f"{printable(str(path))} is in the way")
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.stat().st_uid != os.getuid():
                raise UsageError(f"{printable(str(path))} is another user's")
            folder.lock = take(path)
        except OSError as error:
            reason = error.strerror or str(error)
            raise VidganError(f"can't write {printable(str(path))}: {reason}") from None
        found = folder._job()
        if found.get("identity") == identity:
            folder.windows, folder.frames = int(found["windows"]), int(found["frames"])
            folder.notes = found.get("notes")
            return folder
        if not found and any(path.iterdir()):
            raise UsageError(f"{printable(str(path))} is in the way: it is not of vidgan")
        if found.get("windows"):
            logger.warning("%s is of other work: beginning again", path)
        folder.clear()
        replace(path / _JOB, json.dumps({"identity": identity, "windows": 0, "frames": 0}))
        return folder

    def _job(self) -> dict[str, Any]:
        try:
            found = json.loads((self.path / _JOB).read_text("utf-8"))
            return found if isinstance(found["windows"], int) else {}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}

    def save(self, windows: int, frames: int, state: Any, notes: dict[str, Any]) -> None:
        """Note that all parts up to a window are complete."""
        buffer = io.BytesIO()
        torch.save(plain(state), buffer)
        with naming(self.path):
            write(self.path / f"{windows}-{_STATE}", [buffer.getbuffer()])
        job = {"identity": self.identity, "windows": windows, "frames": frames, "notes": notes}
        replace(self.path / _JOB, json.dumps(job))
        (self.path / f"{self.windows}-{_STATE}").unlink(missing_ok=True)
        self.windows, self.frames = windows, frames

    def state(self) -> Any:
        """Return the state that was saved last; none at the beginning."""
        if not self.windows:
            return {}
        try:
            path = self.path / f"{self.windows}-{_STATE}"
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file raises nearly anything
            raise VidganError(
                f"{printable(str(self.path))} can't be gone on with: {one_line(error)}",
                hint="delete it to begin again",
            ) from None

    def clear(self) -> None:
        """Delete the parts, and nothing that was not written by this class's users."""
        for pattern in _OURS:
            for file in self.path.glob(pattern):
                if file.is_dir() and not file.is_symlink():
                    shutil.rmtree(file, ignore_errors=True)
                else:
                    file.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the folder once its work is done; keep it where something else lies in it."""
        self.clear()
        if not any(self.path.iterdir()):
            self.path.rmdir()


def plain(state: Any) -> Any:
    """Return a state with plain tuples in place of named ones, which are not read again."""
    if isinstance(state, tuple | list):
        return tuple(map(plain, state))
    return {key: plain(value) for key, value in state.items()} if isinstance(state, dict) else state
