"""The folder next to an unfinished output: what was made so far, so that the work can go on."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vidgan_core.errors import UsageError, VidganError, printable
from vidgan_core.runs.atomic_files import replace

SUFFIX = ".unfinished"
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

    @classmethod
    def open(cls, out: Path, identity: str) -> WorkingFolder:
        """Go on with the unfinished work of an output, or begin it. Raises VidganError."""
        path = out.with_name(f".{out.name}{SUFFIX}")
        folder = cls(path, identity)
        try:
            if path.is_symlink() or (path.exists() and not path.is_dir()):
                raise UsageError(f"{printable(str(path))} is in the way")
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise VidganError(f"can't write {printable(str(path))}: {reason}") from None
        found = folder._job()
        if found.get("identity") == identity:
            folder.windows, folder.frames = int(found["windows"]), int(found["frames"])
            folder.notes = found.get("notes")
        else:
            folder.clear()
        return folder

    def _job(self) -> dict[str, Any]:
        try:
            found = json.loads((self.path / _JOB).read_text("utf-8"))
            return found if isinstance(found["windows"], int) else {}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}

    def save(self, windows: int, frames: int, state: Any, notes: dict[str, Any]) -> None:
        """Note that all parts up to a window are complete."""
        torch.save(state, self.path / f"{windows}-{_STATE}")
        job = {"identity": self.identity, "windows": windows, "frames": frames, "notes": notes}
        replace(self.path / _JOB, json.dumps(job))
        (self.path / f"{self.windows}-{_STATE}").unlink(missing_ok=True)
        self.windows, self.frames = windows, frames

    def state(self) -> Any:
        """Return the state that was saved last; none at the beginning."""
        if not self.windows:
            return {}
        return torch.load(self.path / f"{self.windows}-{_STATE}", weights_only=True)

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
