"""Which checkpoint of a run is kept for being the best, and by which number."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from vidgan_core.runs import checkpoint
from vidgan_core.runs.atomic_files import replace

FILE = "best.json"


@dataclass(frozen=True, slots=True)
class Best:
    """The step of the checkpoint, and the number by which it is the best."""

    step: int
    name: str
    value: float


def read(folder: Path) -> Best | None:
    """Return what was marked last among the checkpoints below `folder`, if it is still there."""
    try:
        found = Best(**json.loads((folder / FILE).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.step in map(checkpoint.step_of, checkpoint.available(folder)) else None


def mark(folder: Path, best: Best) -> None:
    """Keep this checkpoint beside the newest ones, instead of the one that was the best."""
    replace(folder / FILE, json.dumps(asdict(best)) + "\n")
